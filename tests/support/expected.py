"""What a deployment should have made of the records of its input topics, by the naive model.

It parses records as the contracts say and gives the messages to the model. If an account's records are in one
partition, their offsets say which was read first. Otherwise either order is right: the engine's own order is taken,
and only its consequences are checked.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.calendar import Instant, parse_instant
from tests.model.naive import Result, walk
from tests.model.policies import Policy
from tests.model.reading import Fact, Message, is_effective_order, read
from tests.support.seen import Record, Seen

LARGEST = 1024 * 1024
WATERMARK_TOPICS = ("order-status", "complaints", "seller-accounts")
BY_ORDER = ("conflicting_duplicate", "too_many_requests")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Place = str


@dataclass(frozen=True, slots=True)
class Expected:
    """The model's result; good records counted, and the latest instant among them; facts and orders by account."""

    result: Result
    read: int
    newest: Instant | None
    dead: dict[Place, str]
    facts: set[tuple[str, str, str]]
    orders: dict[str, set[tuple[Instant, str]]]


def expect(
    seen: Seen, policies: tuple[Policy, ...], clock: str, allowed_lateness: Instant, largest: int = LARGEST
) -> Expected:
    """What follows from the records that are in the input topics; those of over `largest` bytes are not read."""
    dead: dict[Place, str] = {}
    messages: list[Message] = []
    places: dict[int, Place] = {}
    for record in in_order(seen):
        content = parse(record, largest)
        if isinstance(content, str):
            dead[record.place] = content
        else:
            message = (record.topic, content)
            places[id(message)] = record.place
            messages.append(message)
    now = time.time_ns() // 1000
    reading = read(messages, policies, now)
    dead |= {places[id(message)]: reason for reason, message in reading.dead_letters}
    newest = newest_of(messages, places, dead)
    watermark = watermark_of(seen, clock, newest, allowed_lateness)
    result = walk(messages, policies, watermark, now)
    return Expected(result, len(messages) - len(reading.dead_letters), newest, dead, *kept(reading.facts))


def in_order(seen: Seen) -> list[Record]:
    """The inputs in an order in which they can have been read.

    Where an account's records of a topic are in several partitions, those that the engine found to come too late
    come last.
    """
    late = {
        place_of(each.json)
        for each in seen.outputs
        if each.topic == "dead-letters" and each.json["reason"] in BY_ORDER
    }
    partitions: dict[tuple[str, bytes | None], set[int]] = {}
    for each in seen.inputs:
        partitions.setdefault((each.topic, account_of(each)), set()).add(each.partition)

    def order(record: Record) -> tuple[bool, str, int, int]:
        ambiguous = len(partitions[record.topic, account_of(record)]) > 1
        return ambiguous and record.place in late, record.topic, record.partition, record.offset

    return sorted(seen.inputs, key=order)


def account_of(record: Record) -> bytes | None:
    """Some token of the account that a record is about."""
    found = re.search(rb'"account_id"\s*:\s*"([^"]*)"', record.value or b"")
    return None if found is None else found.group(1)


def place_of(dead_letter: Mapping[str, Any]) -> Place:
    """The place of the record that a dead letter is about."""
    return f"{dead_letter['topic']}/{dead_letter['partition']}/{dead_letter['offset']}"


def parse(record: Record, largest: int) -> dict[str, Any] | str:
    """The content of a record, or the reason for which it is none."""
    if record.value is None:
        return "invalid_json"
    if len(record.value) > largest:
        return "too_large"
    try:
        content = json.loads(record.value.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return "invalid_json"
    if LONE_SURROGATE.search(json.dumps(content, ensure_ascii=False)):
        return "invalid_json"
    # The model takes instants as numbers too, for its own tests.
    is_message = isinstance(content, dict) and not isinstance(content.get("occurred_at"), int)
    return content if is_message else "invalid_message"


def refuse(constant: str) -> None:
    """NaN and the infinities are no JSON."""
    raise ValueError(constant)


def newest_of(messages: list[Message], places: dict[int, Place], dead: Mapping[Place, str]) -> Instant | None:
    """The latest instant that a good record of any topic tells."""
    good = (message for message in messages if places[id(message)] not in dead)
    return max((parse_instant(content["occurred_at"]) for _, content in good), default=None)


def watermark_of(seen: Seen, clock: str, newest: Instant | None, allowed_lateness: Instant) -> float:
    """With the clock `events` the newest instant, else what the database states; nothing where deadlines are held."""
    if seen.rows["deployment"][0]["held"] is not None or newest is None:
        return float("-inf")
    if clock == "events":
        return newest - allowed_lateness
    stated = [row["watermark"] for row in seen.rows["positions"] if row["topic"] in WATERMARK_TOPICS]
    stated.append(seen.rows["deployment"][0]["partitions_compared_until"])
    if None in stated:
        return float("-inf")
    return min(parse_instant(each.replace(" ", "T", 1) + ":00") for each in stated) - allowed_lateness


def kept(
    facts: list[Fact],
) -> tuple[set[tuple[str, str, str]], dict[str, set[tuple[Instant, str]]]]:
    """The facts that are stored one by one, and each account's effective orders."""
    stored: set[tuple[str, str, str]] = set()
    orders: dict[str, set[tuple[Instant, str]]] = {}
    for fact in facts:
        if fact.topic != "order-status":
            stored.add((fact.account_id, fact.topic, fact.id))
        elif is_effective_order(fact):
            orders.setdefault(fact.account_id, set()).add((fact.at, fact.fields["order_id"]))
    return stored, orders
