"""The engine in memory while messages arrive: the workers' own units of work, and what a subscriber has read.

It owns no rule; where a withdrawal names what is not in force, a decision is published twice, a message is refused or
an account fails, it raises.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from contracts.fields import instant
from contracts.topics import INPUT_TOPICS, Topic
from tests.support.rules_engine import Message, decode
from workers.codec.batch import Batch
from workers.codec.terminations import read_terminations
from workers.enforcement.account_context import AccountContext, read_context
from workers.enforcement.process import Done, Enforcement
from workers.recovery.memory import MemoryStore, MemoryTransaction, run_alone
from workers.recovery.memory_tables import Tables
from workers.rules.calendar import Instant
from workers.rules.facts import OrderSpan
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow

FAR = 2**61
ALL = 1_000_000


class Stopped:
    """A clock that stands still."""

    def wall(self) -> Instant:
        return 0


class InForce(NamedTuple):
    """A decision that was published and not withdrawn."""

    id: str
    kind: str
    subject: str
    effective_at: str
    sequence: int
    value: Mapping[str, Any]
    """The message."""


class Said(NamedTuple):
    """One message of the output: a decision published or withdrawn."""

    subject: str
    withdrawn: bool
    decision_id: str


@dataclass(slots=True)
class Arrival:
    """The engine between two messages."""

    policies: Policies
    watermark: Instant = MINUS_INFINITY
    fast: int = 0
    """How many times an account was decided from its row alone."""
    published: dict[str, dict[str, InForce]] = field(default_factory=dict)
    standings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last message about each account's standing."""
    log: list[Said] = field(default_factory=list)
    store: MemoryStore = field(default_factory=lambda: MemoryStore([(topic, 0) for topic in INPUT_TOPICS], 1))

    def __post_init__(self) -> None:
        positions = self.store.tables.positions
        positions |= {place: each._replace(watermark=FAR) for place, each in positions.items()}

    @property
    def rows(self) -> dict[str, AccountRow]:
        return self.store.tables.accounts

    def copy(self) -> "Arrival":
        """A second one that goes on by itself."""
        other = copy(self)
        other.store = MemoryStore((), 1)
        other.store.tables = _copy(self.store.tables)
        other.published = {subject: dict(of_one) for subject, of_one in self.published.items()}
        other.standings, other.log = dict(self.standings), list(self.log)
        return other

    def arrive(self, messages: Iterable[Message], watermark: Instant) -> None:
        """Messages are read in one batch while the watermark stands there."""
        self.process(decode(messages, self.policies), watermark)

    def process(self, batch: Batch, watermark: Instant) -> None:
        """The same with messages that were decoded before."""
        self._reaches(watermark)
        done = run_alone(self._enforcement.process_batch(batch, ()))
        self.fast += done.fast
        self._follow(done)

    def wakes(self, watermark: Instant) -> None:
        """The timers enforce the deadlines up to the watermark."""
        self._reaches(watermark)
        while self.store.tables.due(self.watermark):
            self._follow(run_alone(self._enforcement.process_due(ALL)))

    def net(self) -> list[InForce]:
        """The decisions in force, each subject's in the order of its sequence."""
        return [each for of_one in self.published.values() for each in of_one.values()]

    def breaks_the_rule(self, account_id: str) -> str | None:
        """How what is said of an account differs from the rule of the README, which needs only its decisions."""
        in_force = self.published.get(account_id, {}).values()
        last = max(in_force, key=lambda each: (each.effective_at, each.sequence), default=None)
        said = self.standings.get(account_id)
        standing = "not_enrolled" if said is None else said["standing"]
        if last is None:  # enrolled before the first policy, or never
            early = said is None or instant(said["since"]) < self.policies.first_start
            return None if early else f"{standing} without a decision"
        after = last.value["standing_after"]
        return None if after == standing else f"{standing}, by the last decision in force {after}"

    def context(self, account_id: str) -> AccountContext:
        """An account with all that is stored of it."""
        row = self.rows[account_id]
        stored = run_alone(MemoryTransaction(self.store.tables).histories([row]))[account_id]
        return read_context(row, stored, (), (), self.policies)[0]

    def orders(self, account_id: str) -> tuple[OrderSpan, ...]:
        """The spans of an account's effective orders."""
        return self.context(account_id).history.orders

    def judgement(self, account_id: str, watermark: Instant) -> Judgement:
        """What the full judgement of an account says, its history as it is stored."""
        context, companies = self.context(account_id), self.store.tables.companies
        terminations = {
            key: read_terminations(companies[key].terminations) for key in context.company_keys if key in companies
        }
        return judge(account_id, context.history, terminations, self.policies, watermark)

    @property
    def _enforcement(self) -> Enforcement:
        return Enforcement(self.store, self.policies, Stopped(), 0, UUID(int=0), 1)

    def _reaches(self, watermark: Instant) -> None:
        self.watermark = max(self.watermark, watermark)
        self.store.tables.compared_until = None if self.watermark == MINUS_INFINITY else self.watermark

    def _follow(self, done: Done) -> None:
        """Carry terminations to all members, and read what was published."""
        assert not done.quarantined, done.quarantined
        while (fanout := self.store.next_fanout()) is not None:
            judged = run_alone(self._enforcement.process_fanout(fanout, ALL))
            assert not judged.quarantined, judged.quarantined
            assert not self.store.tables.quarantined_fanouts, self.store.tables.quarantined_fanouts
        rows = self.store.tables.log[0]
        for row in rows:
            self._read(row.topic, orjson.loads(row.value))
        rows.clear()

    def _read(self, topic: str, value: Mapping[str, Any]) -> None:
        assert topic != Topic.DEAD_LETTERS, value
        of_company = topic == Topic.COMPANY_TERMINATIONS
        subject = value["company"]["key"] if of_company else value["account_id"]
        in_force = self.published.setdefault(subject, {})
        if topic == Topic.ACCOUNT_STANDING:
            self.standings[subject] = value
        elif "withdraws" in value:
            self.log.append(Said(subject, True, value["withdraws"]))
            del in_force[value["withdraws"]]
        elif "decision_id" in value:
            name = value["decision_id"]
            self.log.append(Said(subject, False, name))
            assert name not in in_force, f"published twice: {value}"
            in_force[name] = InForce(name, value["kind"], subject, value["effective_at"], value["sequence"], value)


def _copy(tables: Tables) -> Tables:
    """The same tables, that can be changed by themselves; their rows are never changed."""

    def copied(table: Any) -> Any:
        if isinstance(table, dict):
            return {key: copied(row) for key, row in table.items()}
        return type(table)(table) if isinstance(table, (set, list)) else table

    return Tables(**{each.name: copied(getattr(tables, each.name)) for each in fields(Tables)})
