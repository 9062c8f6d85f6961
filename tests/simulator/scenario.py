"""What one simulated run is given: a small history in an order of arrival, and how roughly the workers are treated.

All of it follows from a seed. Facts lie on half days and one microsecond beside them, so that they meet each
other and the deadlines of policies with periods of a few days. It owns no rule and runs nothing.
"""

import json
from dataclasses import dataclass, fields
from functools import cache
from random import Random
from zlib import crc32

import orjson

from tests.model.reading import Message
from tests.model.story import activation, case, closed, enrolled, local, order, reapplication
from tests.properties.test_against_the_model import HOURLY, SHORT
from workers.rules.calendar import DAY, Instant, written

MINUTE: Instant = 60_000_000
HOUR: Instant = 60 * MINUTE
START: Instant = local("2016-02-01")
LONG_AFTER: Instant = local("2018-01-01")
POLICY_FILES = (SHORT, HOURLY)
PARTITIONS = 2
SHARDS = 2


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that is produced when the clock stands at `at`, to one partition of its topic."""

    at: Instant
    partition: int
    message: Message


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. `end` is how long after the last arrival the clock stands still; `schedule` seeds the interleaving."""

    arrivals: tuple[Arrival, ...]
    events_clock: bool
    settle: Instant
    end: Instant
    schedule: int
    ingests: int
    timers: int
    spreads: int
    relays: int
    kills: float
    moves: float
    failures: float
    most_steps: int

    @property
    def timely(self) -> bool:
        """Whether every message came within `settle` of its instant, by the clock that the horizon follows."""
        return not self.events_clock and all(
            each.at <= each.message[1]["occurred_at"] + self.settle for each in self.arrivals
        )

    def __str__(self) -> str:
        names = [each.name for each in fields(self) if each.name != "arrivals"]
        lines = [", ".join(f"{name}={getattr(self, name)}" for name in names)]
        for each in self.arrivals:
            topic, content = each.message
            shown = json.dumps(content | {"occurred_at": written(content["occurred_at"])})
            lines.append(f"  read at {written(each.at)} {topic}/{each.partition} {shown}")
        return "\n".join(lines)


def scenario(seed: str) -> Scenario:
    """The run of a seed."""
    random = Random(seed)  # noqa: S311
    history = _history(random)
    events = random.random() < 0.3
    settle = random.choice([0, 10 * MINUTE, DAY])
    late = random.choice([0, settle, settle, 3 * DAY, 40 * DAY])
    rough = random.random()
    return Scenario(
        arrivals=_arrivals(random, history, late, settle),
        events_clock=events,
        settle=settle,
        end=random.choice([0, 0, HOUR, DAY, 6 * DAY, 30 * DAY]),
        schedule=random.randrange(2**32),
        ingests=random.choice([1, 2, 2, 3]),
        timers=random.choice([1, 2]),
        spreads=random.choice([1, 1, 2]),
        relays=random.choice([1, 1, 2]),
        kills=random.choice([0, 0.02, 0.06]) if rough < 0.8 else 0,
        moves=random.choice([0, 0.02, 0.05]) if rough < 0.8 else 0,
        failures=random.choice([0, 0.1, 0.3]) if rough < 0.8 else 0,
        most_steps=1_500,
    )


def _history(random: Random) -> list[Message]:
    accounts = "abxyz"[: random.choice([1, 1, 2, 2, 3, 5])]
    companies = "cde"[: random.randrange(1, 4)]
    days = random.choice([8, 20, 35])
    history: list[Message] = []
    for number, account in enumerate(accounts):
        if random.random() < 0.75:
            at = START + random.randrange(6) * DAY // 2
            history.append(enrolled(at, account, random.choice(companies), f"e{number}"))
    for number in range(random.choice([2, 2, 3, 3, 4, 5, 6, 8, 12, 20])):
        at = START + random.randrange(2 * days) * DAY // 2
        if random.random() < 0.25:
            at += random.choice([-1, 1])
        history.append(_message(random, at, random.choice(accounts), companies, f"n{number}"))
    return history


def _message(random: Random, at: Instant, account: str, companies: str, name: str) -> Message:
    kind = random.random()
    if kind < 0.38:
        status = "completed" if random.random() < 0.1 else "awaiting_shipment"
        return order(at, account, name, status=status)
    if kind < 0.52:
        return activation(at, account, name)
    if kind < 0.62:
        return reapplication(at, account, name)
    if kind < 0.74:
        return enrolled(at, account, random.choice(companies), name)
    if kind < 0.79:
        return closed(at, account, name)
    outcome = random.choice(["upheld", "upheld", "upheld", "dismissed", "reversed", "withdrawn", "opened"])
    fields = {"cause": "onetouch_unable"} if random.random() < 0.1 else {}
    which, category = random.choice(["k1", "k2", "k3"]), random.choice(["refusal", "late"])
    return case(at, outcome, account, which, category=category, event_id=name, **fields)


def _arrivals(random: Random, history: list[Message], late: Instant, settle: Instant) -> tuple[Arrival, ...]:
    keyed = random.random() < 0.6
    doubled = random.sample(history, random.choice([0, 0, 1, len(history) // 3]))
    found = []
    for message in history + doubled:
        delay = random.choice([0, 1, late, late - 1, random.randrange(late)]) if late else 0
        if delay > settle and random.random() < 0.5:
            delay = settle
        account = message[1]["account_id"]
        partition = crc32(account.encode()) % PARTITIONS if keyed else random.randrange(PARTITIONS)
        found.append(Arrival(message[1]["occurred_at"] + max(delay, 0), partition, message))
    random.shuffle(found)
    return tuple(sorted(found, key=lambda each: each.at))


@cache
def _shown(at: Instant) -> str:
    return written(at)


def value_of(message: Message) -> bytes:
    """The message as its producer writes it."""
    content = message[1]
    return orjson.dumps(content | {"occurred_at": _shown(content["occurred_at"])})
