"""Bad records first, in the middle, last and alone: each becomes one dead letter, its neighbours lose nothing."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from tests.support.deployment import Deployment, check_all, check_promises, net
from tests.support.facts import asks, case, enrolled, paid
from workers.ingest.dead_letter_window import MOST_IN_A_ROW

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
LIMIT = 4000
FIRST, MIDDLE, LAST, ALONE = range(4)
"""The partition of each topic with bad records first, in the middle, last, and without any good one."""

OF_ORDERS = "2016-09-10 10:00"
"""By then accounts that enrolled in March are suspended; an order restores them."""

Bad = tuple[bytes | None, str]
"""A value, and the reason of its dead letter."""


def content(message: tuple[str, str | None, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(message[2])
    return fields


def bad_values(topic: str) -> Iterator[Bad]:
    """Every bad example of the topic, and what no file can hold."""
    for path in sorted((EXAMPLES / topic / "invalid").iterdir()):
        value = path.read_bytes()
        if len(value) <= LIMIT:
            yield value, "invalid_message" if _is_json(value) else "invalid_json"
    yield None, "invalid_json"
    yield b"", "invalid_json"
    yield b"[" * (LIMIT - 1), "invalid_json"
    yield b'{"event_id": "' + b"x" * LIMIT + b'"}', "too_large"
    if topic == "seller-accounts":
        yield from broken(enrolled("someone", "2016-03-01 00:00"))
    if topic == "order-status":
        yield from broken(paid("someone", "2016-03-01 00:00"))
    if topic == "complaints":
        yield _written(content(case("someone", "2016-04-01 00:00", category="no_such"))), "unknown_category"


def broken(message: tuple[str, str | None, Any]) -> Iterator[Bad]:
    """Too far ahead of the clock, also when the test looks at it later; and with an account that cannot be."""
    ahead = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
    yield _written(content(message) | {"occurred_at": ahead}), "occurred_in_future"
    yield _written(content(message) | {"account_id": "a\0b"}), "invalid_message"


def _is_json(value: bytes) -> bool:
    """Whether the value is JSON as RFC 8259 has it: UTF-8, no NaN, no lone surrogates."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    try:
        json.dumps(json.loads(value.decode(), parse_constant=refuse), ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def good(topic: str, name: str) -> bytes:
    """A good neighbour, by which an account can be told to have been read."""
    match topic:
        case "seller-accounts":
            return _written(content(enrolled(name, "2016-03-01 10:00", name)))
        case "account-requests":
            return _written(content(asks(name, "2016-03-05 10:00")))
        case "complaints":
            return _written(content(case(name, "2016-03-05 10:00", case_id=f"case-{name}")))
        case "order-status":
            return _written(content(paid(name, OF_ORDERS)))
        case _:
            raise AssertionError(topic)


async def test_each_bad_record_is_one_dead_letter_wherever_it_stands(deployment: Deployment) -> None:
    deployment = replace(deployment, environment={**deployment.environment, "STANDING_MAX_RECORD_BYTES": str(LIMIT)})
    topics = ("seller-accounts", "account-requests", "complaints", "order-status")
    producer = Producer({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    expected: dict[tuple[str, int, int], Bad] = {}
    neighbours: dict[str, set[str]] = {topic: set() for topic in topics}

    def send(topic: str, partition: int, values: list[tuple[bytes | None, str | None]]) -> None:
        for offset, (value, reason) in enumerate(values):
            headers: list[tuple[str, str | bytes | None]] = [("trace\u00e9", b"\xff\xfe")]
            producer.produce(deployment.prefix + topic, value, b"\xff key", partition, headers=headers)
            if reason is not None:
                expected[topic, partition, offset] = (value, reason)

    for topic in topics:
        bad: list[tuple[bytes | None, str | None]] = list(bad_values(topic))
        assert len(bad) <= MOST_IN_A_ROW, "the partition would rest"
        for partition in (FIRST, MIDDLE, LAST, ALONE):
            names = [f"{topic}-{partition}-{side}" for side in ("before", "after")]
            kept = {FIRST: names[1:], MIDDLE: names, LAST: names[:1], ALONE: []}[partition]
            neighbours[topic] |= set(kept)
            before = [(good(topic, names[0]), None)] if names[0] in kept else []
            after = [(good(topic, names[1]), None)] if names[1] in kept else []
            send(topic, partition, [*before, *bad, *after])
    producer.flush(30)
    members = sorted(neighbours["complaints"] | neighbours["order-status"])
    deployment.send(enrolled(name, "2016-03-01 10:00", name) for name in members)
    with deployment.working():
        deployment.drain()
        messages = deployment.published()
    check_promises(messages)
    letters = [each.value for each in messages if each.topic == "dead-letters"]
    found = {(each["topic"], each["partition"], each["offset"]): each for each in letters}
    assert len(found) == len(letters)
    assert {place: each["reason"] for place, each in found.items()} == {
        place: reason for place, (_, reason) in expected.items()
    }
    for place, (value, reason) in expected.items():
        letter = found[place]
        assert base64.b64decode(letter["key"]) == b"\xff key"
        assert letter["headers"] == [{"name": "trace\u00e9", "value": base64.b64encode(b"\xff\xfe").decode()}]
        assert (None if letter["value"] is None else base64.b64decode(letter["value"])) == value, reason
    decided = net(messages).values()
    assert {each["account_id"] for each in decided if each["kind"] == "account_enrolled"} == (
        neighbours["seller-accounts"] | set(members)
    )
    refused = {each["account_id"] for each in decided if each["kind"] == "activation_refused"}
    assert refused == neighbours["account-requests"]
    assert {each["account_id"] for each in decided if each["kind"] == "account_terminated"} == neighbours[
        "complaints"
    ]
    restored = {each["account_id"] for each in decided if each["kind"] == "account_restored"}
    assert restored == neighbours["order-status"]
    assert deployment.standing("status").returncode == 0
    verdict = await check_all(deployment)
    assert verdict.figures["dead_letters"] == len(expected)


async def test_conflicting_duplicates_and_too_many_requests_are_dead_letters_and_the_first_counts(
    deployment: Deployment,
) -> None:
    requests = [asks("busy", f"2016-03-05 10:00:{number:02}", request_id=f"r{number}") for number in range(51)]
    topic, key, fields = requests[3]
    assert isinstance(fields, dict)
    conflict = (topic, key, fields | {"kind": "reapplication"})
    with deployment.working():
        deployment.send([enrolled("busy", "2016-03-01 10:00"), *requests[:10], requests[3], conflict, *requests[10:]])
        deployment.drain()
        messages = deployment.published()
    letters = [(each.value["reason"], each.value["topic"]) for each in messages if each.topic == "dead-letters"]
    assert sorted(letters) == [
        ("conflicting_duplicate", "account-requests"),
        ("too_many_requests", "account-requests"),
    ]
    answered = {each["request_id"]: each["kind"] for each in net(messages).values() if "request_id" in each}
    assert answered == {f"r{number}": "activation_refused" for number in range(50)}
    await check_all(deployment)
