"""Decides an input history again with the engine's own code and the store in memory.

The order in which records are processed does not change the decisions in force at the end. Each account's deadlines
are enforced up to where the live engine enforced them. Records that became dead letters are left out.
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from contracts.topics import INPUT_TOPICS, Partition, Topic
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.messages import Record
from workers.enforcement.position_moves import Move
from workers.enforcement.process import Done, Enforcement
from workers.ops.clock import WallClock
from workers.recovery.memory import MemoryStore, run_alone
from workers.recovery.published_decisions import Value
from workers.recovery.snapshot import Judged
from workers.rules.calendar import Instant, latest_of
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, LogRow, Position

SHARDS = 1
ALL = 1_000_000_000
DEADLINES_EVERY = 100_000
"""Records between two rounds of deadline enforcement. The interval decides how much is withdrawn later."""
ACCOUNTS_AT_A_TIME = 1000
"""Accounts that one transaction judges again."""


@dataclass
class Replay:
    """A history that is being replayed."""

    policies: Policies
    judged: Judged
    """Up to where the deadlines of each account are enforced."""
    places: Sequence[Partition]
    """Every input partition, topics without prefix."""
    max_record_bytes: int
    dead: frozenset[tuple[str, int, int]] = frozenset()
    facts: int = 0
    in_force: dict[str, Value] = field(default_factory=dict)
    """The decisions in force, by id."""
    standings: dict[str, Value] = field(default_factory=dict)
    refused: list[LogRow] = field(default_factory=list)
    """New dead letters: records that the live engine accepted and the replay refuses."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """Accounts that could not be evaluated, and why."""

    newest: Instant | None = None
    """The latest instant of a fact so far."""
    watermark: Instant | None = field(init=False)
    """Up to where deadlines are enforced while the history is read; None for none."""

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.places, SHARDS)
        self._reached()
        clock = WallClock()
        self._enforcement = Enforcement(self.store, self.policies, clock, 0, UUID(int=0), SHARDS)
        self._decoder = Decoder(self.policies, self.max_record_bytes)
        self._now = clock.wall()
        self._judged_at = 0

    def reach(self, watermark: Instant) -> None:
        """Enforce all deadlines up to a later watermark from now on."""
        self.judged = Judged(watermark)
        self._reached()

    def _reached(self) -> None:
        self.watermark = self.store.tables.compared_until = self.judged.furthest

    def process(self, records: Mapping[Partition, Sequence[Record]]) -> None:
        """Process some records of any partitions; those of one partition come in their order."""
        batch = Batch()
        moves = []
        for place, read in records.items():
            some = [each for each in read if (*place, each.offset) not in self.dead] if self.dead else read
            if some:
                latest = self._decoder.decode(place[0], some, batch, self._now).latest
                moves.append(self._move(place, some[-1].offset + 1, latest, latest))
                self.newest = latest_of(self.newest, latest)
                self.facts += len(some)
        if moves:
            self._follow(run_alone(self._enforcement.process_batch(batch, moves)))
        if self.facts - self._judged_at >= DEADLINES_EVERY:
            self._judge_deadlines()

    def ended(self, place: Partition) -> None:
        """Mark a partition as read to its end, so that it no longer holds the watermark back."""
        position = self._position(place)
        if self.watermark is not None and position.watermark != self.watermark:
            move = self._move(place, position.next_offset, self.watermark)
            run_alone(self._enforcement.process_batch(Batch(), [move]))

    def finish(self) -> None:
        """Judge what is left after the last record."""
        for place in self.places:
            self.ended(place)
        self._judge_deadlines()
        self._judge_as_far_as_live()

    def _judge_as_far_as_live(self) -> None:
        """Judge accounts again that the live engine judged less far than the furthest, each up to its own instant.

        This withdraws their decisions after that instant.
        """
        tables = self.store.tables
        tables.compared_until = None  # without a watermark, an account is judged up to its `judged_until`
        again = []
        for account_id, row in tables.accounts.items():
            until = self.judged.until(account_id)
            if self.watermark is not None and until != self.watermark:
                tables.accounts[account_id] = row._replace(judged_until=None if until == MINUS_INFINITY else until)
                again.append(account_id)
        for first in range(0, len(again), ACCOUNTS_AT_A_TIME):
            self._follow(run_alone(self._enforcement.judge_again(sorted(again[first : first + ACCOUNTS_AT_A_TIME]))))

    def _position(self, place: Partition) -> Position:
        return self.store.tables.positions[place]

    def _move(self, place: Partition, next_offset: int, until: Instant | None, latest: Instant | None = None) -> Move:
        """Move a partition's watermark to its newest fact; a late fact corrects what that decides too early."""
        position = self._position(place)
        if until is not None:
            until = None if self.watermark is None else min(until, self.watermark)
        after = position._replace(next_offset=next_offset, watermark=until, latest_occurred_at=latest)
        return Move(position, after)

    def _judge_deadlines(self) -> None:
        self._judged_at = self.facts
        while (done := run_alone(self._enforcement.process_due(ALL))).accounts:
            self._follow(done)

    def _follow(self, done: Done) -> None:
        """Run the fan-outs, and update the decisions in force by what was published."""
        self.quarantined |= done.quarantined
        while (fanout := self.store.next_fanout()) is not None:
            self.quarantined |= run_alone(self._enforcement.process_fanout(fanout, ALL)).quarantined
        [rows] = self.store.tables.log.values()
        for row in rows:
            if row.topic == Topic.DEAD_LETTERS:
                self.refused.append(row)
            else:
                self._apply(row.topic, row.value)
        rows.clear()

    def _apply(self, topic: str, raw: bytes) -> None:
        value: Value = orjson.loads(raw)
        if topic == "account-standing":
            self.standings[value["account_id"]] = value
        elif "withdraws" in value:
            del self.in_force[value["withdraws"]]
        elif "decision_id" in value:
            self.in_force[value["decision_id"]] = value


def every_partition(found: Iterable[Partition]) -> list[Partition]:
    """The given partitions, and partition 0 of each input topic without one."""
    places = set(found)
    topics = {topic for topic, _ in places}
    return sorted(places | {(topic, 0) for topic in INPUT_TOPICS if topic not in topics})


def quiet_collector() -> None:
    """Make garbage collections rare: a history is many small long-lived objects without cycles."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
