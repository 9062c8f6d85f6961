"""The input of one simulated run: a small history in an order of arrival, and the faults of the workers.

All of it follows from a seed. Facts occur at half days or a microsecond beside them, so that many coincide with each
other and with the deadlines of policies with periods of a few days.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from random import Random
from typing import Any
from zlib import crc32

import orjson

from contracts.topics import Partition
from tests.model.reading import Message
from tests.model.story import activation, case, closed, enrolled, local, order, reapplication
from tests.support.policies import HOURLY, SHORT
from workers.rules.calendar import DAY, SECOND, Instant, written

MINUTE: Instant = 60_000_000
HOUR: Instant = 60 * MINUTE
START: Instant = local("2016-02-01")
LONG_AFTER: Instant = local("2018-01-01")
POLICY_FILES = (SHORT, HOURLY)
PARTITIONS = 2
SHARDS = 2
CLOCKS: tuple[Instant, ...] = (0, 0, 2 * MINUTE, -2 * MINUTE)
"""How far a clock can be ahead."""
PROMPT = "p-"
"""So begin the ids of what is sent once, when it happens."""
GHOSTS: dict[str, dict[str, Any]] = {
    "seller-accounts": {"status": "enrolled", "company_id": "ghost", "company_name": "ghost"},
    "complaints": {"case_id": "ghost", "outcome": "upheld", "category": "refusal"},
    "order-status": {"order_id": "ghost", "status": "awaiting_shipment"},
}
"""What would be seen of a message whose transaction was aborted, if it were read."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that is produced when the clock stands at `at`, to one partition of its topic."""

    at: Instant
    partition: int
    message: Message
    skew: Instant = 0
    """How far its producer's clock is ahead."""
    open_for: int = 0
    """It is sent in a transaction that stays open while so many messages are produced; 0: in none."""
    ghost: Message | None = None
    """What is sent before it, in a transaction that is aborted: it never happened."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. `end` is how long after the last arrival the clock stands still; `schedule` seeds the interleaving.

    `clocks` are how far each ingest worker's is ahead; `lags` the partitions that nobody reads from one step of
    the scheduler to another.
    """

    arrivals: tuple[Arrival, ...]
    events_clock: bool
    allowed_lateness: Instant
    end: Instant
    schedule: int
    ingests: int
    timers: int
    fanouts: int
    relays: int
    kills: float
    moves: float
    failures: float
    most_steps: int
    clocks: tuple[Instant, ...]
    lags: Mapping[Partition, tuple[int, int]]
    breaks: float = 0
    """How often the evaluation of an account raises, until the end."""

    @property
    def ahead(self) -> Instant:
        """How far any clock is ahead at most: a watermark may be further by so much."""
        return max(0, *self.clocks, *(each.skew for each in self.arrivals))

    @property
    def timely(self) -> bool:
        """Whether every message came within `allowed_lateness` of its instant, by the clock of the watermark, and is
        decided then: one of a quarantined account is not.
        """
        return (
            not self.events_clock
            and not self.breaks
            and all(
                each.at + self.ahead <= each.message[1]["occurred_at"] + self.allowed_lateness
                for each in self.arrivals
            )
        )

    @property
    def timely_cases(self) -> frozenset[str]:
        """The cases before which all was acknowledged that decides whom they terminate: none may be taken back.

        What the registry says of the account up to that instant, and its cases, these in the same partition. Cases
        that were sent twice are left out.
        """
        found = []
        for number, each in enumerate(self.arrivals):
            topic, content = each.message
            if topic != "complaints":
                continue
            others = [other for other in self.arrivals if other is not each and _bears_on(other, content)]
            before = self.arrivals[:number]
            if all(_came_first(other, each, before) for other in others):
                found.append(content["event_id"])
        return frozenset(found)

    def __str__(self) -> str:
        names = [each.name for each in fields(self) if each.name != "arrivals"]
        lines = [", ".join(f"{name}={getattr(self, name)}" for name in names)]
        for each in self.arrivals:
            topic, content = each.message
            shown = json.dumps(content | {"occurred_at": written(content["occurred_at"])})
            how = f" open for {each.open_for}" if each.open_for else ""
            how += f" clock ahead {each.skew // SECOND} s" if each.skew else ""
            how += " behind an aborted one" if each.ghost else ""
            lines.append(f"  sent at {written(each.at)} {topic}/{each.partition}{how} {shown}")
        return "\n".join(lines)


def _bears_on(other: Arrival, content: Mapping[str, Any]) -> bool:
    """Whether another message may change whom a case terminates."""
    topic, about = other.message
    ours = about["account_id"] == content["account_id"] and about["occurred_at"] <= content["occurred_at"]
    return ours and topic in ("complaints", "seller-accounts")


def _came_first(other: Arrival, case: Arrival, before: Sequence[Arrival]) -> bool:
    """Whether what bears on a case is read before it, by the promise."""
    topic, about = other.message
    if topic == "seller-accounts":
        return any(each.message == other.message for each in before)
    earlier = about["occurred_at"] < case.message[1]["occurred_at"]
    return earlier and other in before and other.partition == case.partition


def scenario(seed: str) -> Scenario:
    """The run of a seed."""
    random = Random(seed)  # noqa: S311
    history = _history(random)
    events = random.random() < 0.3
    allowed_lateness = random.choice([0, 10 * MINUTE, DAY])
    late = random.choice([0, allowed_lateness, allowed_lateness, 3 * DAY, 40 * DAY])
    rough = random.random()
    arrivals = _arrivals(random, history, late, allowed_lateness)
    ingests = random.choice([1, 2, 2, 3])
    if random.random() < 0.5:
        arrivals = _in_transactions(random, arrivals)
    return Scenario(
        arrivals=arrivals,
        events_clock=events,
        allowed_lateness=allowed_lateness,
        end=random.choice([0, 0, HOUR, DAY, 6 * DAY, 30 * DAY]),
        schedule=random.randrange(2**32),
        ingests=ingests,
        timers=random.choice([1, 2]),
        fanouts=random.choice([1, 1, 2]),
        relays=random.choice([1, 1, 2]),
        kills=random.choice([0, 0.02, 0.06]) if rough < 0.8 else 0,
        moves=random.choice([0, 0.02, 0.05]) if rough < 0.8 else 0,
        failures=random.choice([0, 0.1, 0.3]) if rough < 0.8 else 0,
        most_steps=1_500,
        clocks=tuple(random.choice(CLOCKS) if rough < 0.5 else 0 for _ in range(ingests)),
        lags=_lags(random) if random.random() < 0.5 else {},
        breaks=random.choice([0, 0, 0.1]) if rough < 0.8 else 0,
    )


def _lags(random: Random) -> dict[Partition, tuple[int, int]]:
    """Some partitions are not read while others are, the registry's most often."""
    found: dict[Partition, tuple[int, int]] = {}
    for topic in random.choices(["seller-accounts", "seller-accounts", "complaints", "order-status"], k=2):
        since = random.choice([0, random.randrange(100)])
        found[topic, random.randrange(PARTITIONS)] = (since, since + random.randrange(200))
    return found


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
    mover = random.choice(accounts)
    for number in range(random.choice([0, 0, 0, 1, 2, 3])):
        at = START + random.randrange(2 * days) * DAY // 2
        account = mover if random.random() < 0.7 else random.choice(accounts)
        history += _move_and_case(random, at, account, f"{PROMPT}{number}")
    return history


def _move_and_case(random: Random, at: Instant, account: str, name: str) -> list[Message]:
    """An account moves, and a case that terminates comes right behind it: they are sent promptly and once."""
    then = at + random.choice([1, MINUTE, DAY // 2])
    move = enrolled(at, account, random.choice("cdef"), f"{name}-move")
    return [move, case(then, "upheld", account, name, event_id=f"{name}-case")]


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


def _arrivals(
    random: Random, history: list[Message], late: Instant, allowed_lateness: Instant
) -> tuple[Arrival, ...]:
    keyed = random.random() < 0.6
    once = [each for each in history if not each[1].get("event_id", "").startswith(PROMPT)]
    doubled = random.sample(once, random.choice([0, 0, min(1, len(once)), len(once) // 3]))
    found = []
    skews = CLOCKS if random.random() < 0.3 else (0,)
    for message in history + doubled:
        delay = random.choice([0, 1, late, late - 1, random.randrange(late)]) if late else 0
        if delay > allowed_lateness and random.random() < 0.5:
            delay = allowed_lateness
        account, prompt = message[1]["account_id"], message[1].get("event_id", "").startswith(PROMPT)
        partition = crc32(account.encode()) % PARTITIONS if keyed else random.randrange(PARTITIONS)
        skew = random.choice(skews)
        at = message[1]["occurred_at"] if prompt else message[1]["occurred_at"] + max(delay, 0) - skew
        found.append(Arrival(at, partition, message, 0 if prompt else skew))
    random.shuffle(found)
    return tuple(sorted(found, key=lambda each: each.at))


def _in_transactions(random: Random, arrivals: tuple[Arrival, ...]) -> tuple[Arrival, ...]:
    """Some are sent in transactions, some of them behind one that is aborted."""
    return tuple(_in_transaction(random, number, each) for number, each in enumerate(arrivals))


def _in_transaction(random: Random, number: int, arrival: Arrival) -> Arrival:
    kind = random.random()
    if kind < 0.3:
        arrival = replace(arrival, open_for=random.choice([1, 2, 3, 8]))
    if kind < 0.05 or kind > 0.95:
        topic, content = arrival.message
        named = "request_id" if "request_id" in content else "event_id"
        arrival = replace(arrival, ghost=(topic, content | {named: f"ghost{number}"} | GHOSTS.get(topic, {})))
    return arrival


@cache
def _shown(at: Instant) -> str:
    return written(at)


def value_of(message: Message) -> bytes:
    """The message as its producer writes it."""
    content = message[1]
    return orjson.dumps(content | {"occurred_at": _shown(content["occurred_at"])})
