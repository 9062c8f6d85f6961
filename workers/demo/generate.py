"""A seeded, realistic input history of accounts, companies, orders, cases and requests; some late, twice or
malformed.

The same seed gives the same bytes. This module does not know the rules.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from confluent_kafka import KafkaError, Message, Producer

from workers.kafka.admin import cluster_id
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import PublishError
from workers.ops.refused import naming
from workers.ops.terminal import Terminal
from workers.rules.calendar import DAY, SECOND, Instant, local_ordinal, written
from workers.settings import Settings

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR: Instant = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Generated:
    """One message, the instant of its event and the instant of its arrival."""

    topic: str
    key: str
    value: bytes
    event_at: Instant
    arrives_at: Instant


@dataclass(frozen=True, slots=True)
class HistoryParameters:
    """The parameters of a history; `late`, `doubled` and `bad` are shares of all messages.

    With another `first_account` a second history uses other accounts.
    """

    seed: int = 1
    accounts: int = 2000
    companies: int = 700
    start: Instant = 1_454_256_000_000_000  # 2016-02-01 00:00 in Shanghai
    days: int = 730
    late: float = 0.02
    doubled: float = 0.01
    bad: float = 0.001
    first_account: int = 0


def message(topic: str, key: str, at: Instant, /, **fields: Any) -> Generated:
    """A message that arrives at the instant of its event; fields that are None are left out."""
    content = {name: value for name, value in fields.items() if value is not None} | {"occurred_at": written(at)}
    return Generated(topic, key, json.dumps(content, ensure_ascii=False).encode(), at, at)


def history(parameters: HistoryParameters) -> list[Generated]:
    """All messages in the order in which they arrive."""
    random = Random(parameters.seed)  # noqa: S311  # not a secret
    found: list[Generated] = []
    for number in range(parameters.first_account, parameters.first_account + parameters.accounts):
        found += _account(random, parameters, f"seller-{number:06d}", random.randrange(parameters.companies))
    found += _cases(random, parameters)
    return disturbed(random, found, parameters)


def disturbed(random: Random, messages: Iterable[Generated], parameters: HistoryParameters) -> list[Generated]:
    """Make shares of the messages late, duplicated and malformed, and sort by arrival."""
    found: list[Generated] = []
    for each in messages:
        delay = random.randrange(SECOND, 60 * SECOND)
        if random.random() < parameters.late:
            delay = round(60 * SECOND * 10 ** random.uniform(0, 4.3))  # a minute to two weeks
        arrived = replace(each, arrives_at=each.event_at + delay)
        found.append(arrived)
        if random.random() < parameters.doubled:
            found.append(replace(arrived, arrives_at=arrived.arrives_at + random.randrange(SECOND, 3 * DAY)))
        if random.random() < parameters.bad:
            found.append(replace(arrived, value=_spoiled(random, arrived.value)))
    found.sort(key=lambda each: each.arrives_at)
    return found


def _spoiled(random: Random, value: bytes) -> bytes:
    """A malformed variant of a message."""
    content = json.loads(value)
    match random.randrange(5):
        case 0:
            return value[: len(value) // 2]
        case 1:
            return json.dumps({name: each for name, each in content.items() if name != "account_id"}).encode()
        case 2:
            return json.dumps(content | {"occurred_at": "yesterday"}).encode()
        case 3:
            return json.dumps(content | {"account_id": "a\u0000b"}).encode()
        case _:
            return b"\xff\xfe not JSON at all"


def _account(random: Random, parameters: HistoryParameters, account_id: str, company: int) -> Iterator[Generated]:
    """One seller's history: enrolment, orders at a seller's own pace, requests, sometimes a move or a closure."""
    enrolled_at = parameters.start + random.randrange(parameters.days // 4 * DAY)
    yield _registered(account_id, f"{account_id}-enrolled", enrolled_at, company)
    pace = random.choice((10, 20, 30, 30, 60, 90, 150, 240)) * DAY
    end = parameters.start + parameters.days * DAY
    at, number = enrolled_at, 0
    while (at := at + round(pace * random.expovariate(1.0)) + HOUR) < end:
        number += 1
        yield from _order(random, account_id, f"{account_id}-{number}", at)
    if pace >= 60 * DAY:
        yield from _requests(random, account_id, enrolled_at, end)
    if random.random() < 0.05:
        moved_at = random.randrange(enrolled_at, end)
        yield _registered(account_id, f"{account_id}-moved", moved_at, random.randrange(parameters.companies))
    if random.random() < 0.03:
        closed_at = random.randrange(enrolled_at, end)
        yield message(
            "seller-accounts",
            account_id,
            closed_at,
            event_id=f"{account_id}-closed",
            account_id=account_id,
            status="closed",
        )
        if random.random() < 0.5:
            again = closed_at + random.randrange(90 * DAY)
            yield _registered(account_id, f"{account_id}-again", again, company)


def _registered(account_id: str, event_id: str, at: Instant, company: int) -> Generated:
    has_id = company % 10 != 0
    return message(
        "seller-accounts",
        account_id,
        at,
        event_id=event_id,
        account_id=account_id,
        status="enrolled",
        company_id=f"company-{company:05d}" if has_id else None,
        company_name=f"Trading House {company}",
        region="CN",
    )


def _order(random: Random, account_id: str, order_id: str, at: Instant) -> Iterator[Generated]:
    """The statuses of one order; most orders are paid."""
    amount = {"value": f"{random.randrange(1_000, 900_000) / 100:.2f}", "currency": "USD"}
    paid = random.choice(
        ("awaiting_shipment", "awaiting_shipment", "待付足预付款", "awaiting_prepayment_confirmation")
    )
    statuses = ["awaiting_prepayment", paid] if random.random() < 0.9 else ["awaiting_prepayment", "cancelled"]
    if random.random() < 0.3:
        statuses.append("shipped")
    before = "drafted"
    for step, status in enumerate(statuses):
        yield message(
            "order-status",
            account_id,
            at,
            event_id=f"{order_id}-{step}",
            order_id=order_id,
            account_id=account_id,
            status=status,
            previous_status=before,
            amount=amount,
        )
        before = status
        at += random.randrange(HOUR, 2 * DAY)


def _requests(random: Random, account_id: str, start: Instant, end: Instant) -> Iterator[Generated]:
    for number in range(random.randrange(3)):
        kind = "temporary_activation" if random.random() < 0.8 else "reapplication"
        at = random.randrange(start, end)
        yield message(
            "account-requests", account_id, at, request_id=f"{account_id}-r{number}", account_id=account_id, kind=kind
        )


def _cases(random: Random, parameters: HistoryParameters) -> Iterator[Generated]:
    """Complaints and inspections against some accounts: most dismissed, some upheld, a few reversed or withdrawn."""
    for number in range(parameters.first_account, parameters.first_account + parameters.accounts // 12):
        account_id = f"seller-{parameters.first_account + random.randrange(parameters.accounts):06d}"
        at = parameters.start + random.randrange(30 * DAY, parameters.days * DAY)
        inspection = random.random() < 0.2
        outcomes = ["upheld"] if inspection else ["opened", random.choice(("upheld", "dismissed", "dismissed"))]
        if outcomes[-1] == "upheld" and random.random() < 0.25:
            outcomes.append(random.choice(("reversed", "withdrawn")))
        category = random.choice(("refusal_of_trade_assurance", "late_shipment", "late_shipment", "late_shipment"))
        cause = random.choice((None, None, None, "onetouch_unable", "terms_not_agreed"))
        for step, outcome in enumerate(outcomes):
            yield message(
                "complaints",
                account_id,
                at,
                event_id=f"case-{number}-{step}",
                case_id=f"case-{number}",
                account_id=account_id,
                source="platform_inspection" if inspection else "buyer_complaint",
                category=category,
                outcome=outcome,
                cause=cause,
            )
            at += random.randrange(DAY, 20 * DAY)


def json_line(each: Generated) -> str:
    """A message as one line of a JSONL file; a value that is not JSON is in `raw`, as base64."""
    line: dict[str, object] = {"topic": each.topic, "key": each.key}
    try:
        line["value"] = json.loads(each.value)
    except ValueError:
        line["raw"] = base64.b64encode(each.value).decode()
    return json.dumps(line, ensure_ascii=False)


def produce(
    messages: Iterable[Generated],
    kafka: KafkaAccess,
    prefix: str,
    sent: Callable[[Generated, int], None] = lambda *_: None,
) -> int:
    """Send a history to the topics of `prefix`, in the order of arrival; returns the number of messages.

    It flushes all partitions after each day of arrival: with `STANDING_CLOCK=events`, a record flushed later would be
    late, and deadlines fall at midnight. It calls `sent` after each day with the last message and the number sent.
    """
    refusals: list[str] = []

    def refused(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refusals.append(f"{message.topic()}: {error.str()}")

    producer = Producer(
        {
            **kafka.librdkafka(),
            "on_delivery": refused,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    count = 0
    for _, day in groupby(messages, key=lambda each: local_ordinal(each.arrives_at, SHANGHAI)):
        last = None
        for last in day:
            producer.produce(prefix + last.topic, last.value, last.key)
            count += 1
        if producer.flush(60):
            raise TimeoutError(f"Kafka at {kafka} accepted no messages for a minute")
        if refusals:
            raise PublishError(f"Kafka refused {len(refusals):,} messages; the first to {refusals[0]}")
        if last is not None:
            sent(last, count)
    return count


def sized(parameters: HistoryParameters, facts: int) -> HistoryParameters:
    """The parameters for about `facts` messages, estimated from a small sample."""
    sample = replace(parameters, accounts=200)
    accounts = max(1, round(facts / len(history(sample)) * sample.accounts))
    return replace(
        parameters, accounts=accounts, companies=max(1, accounts * parameters.companies // parameters.accounts)
    )


def write_history(terminal: Terminal, parameters: HistoryParameters, settings: Settings, out: Path | None) -> int:
    """Write a history to a JSONL file, or to the topics of the settings, with a progress bar."""
    with terminal.busy("generating the history"):
        messages = history(parameters)
    with terminal.bars() as progress:
        task = progress.add_task("sent", total=len(messages))
        if out is None:
            asyncio.run(cluster_id(settings.kafka))  # raises an error that says why Kafka cannot be reached
            return produce(
                messages,
                settings.kafka,
                settings.topic_prefix,
                lambda _, count: progress.update(task, completed=count),
            )
        with naming(out), out.open("w", encoding="utf-8") as file:
            for each in progress.track(messages, task_id=task):
                file.write(json_line(each) + "\n")
    return len(messages)
