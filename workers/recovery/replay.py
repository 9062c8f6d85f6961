"""Decides an input history afresh, without the database: by the same code, over the store in memory.

Owns the order in which records are taken in, which cannot matter for what stands at the end. Deadlines are judged up
to where the live engine judged them, of each account, never further. What became a dead letter then is left out.
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from contracts.topics import INPUT_TOPICS, Topic
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.messages import Record
from workers.enforcement.inputs import Move
from workers.enforcement.process import Done, Enforcement
from workers.ops.clock import WallClock
from workers.recovery.memory import MemoryStore, run_alone
from workers.recovery.published import Value
from workers.recovery.snapshot import Judged
from workers.rules.calendar import Instant
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, LogRow, Position

SHARDS = 1
ALL = 1_000_000_000
DEADLINES_EVERY = 100_000
"""Records between two judgements of silence. How often it is judged decides how much is withdrawn on the way."""
AT_A_TIME = 1000
"""Accounts that are judged again in one transaction."""

Partition = tuple[str, int]


@dataclass
class Replay:
    """A history that is being decided."""

    policies: Policies
    judged: Judged
    """Up to where deadlines are judged, of each account."""
    places: Sequence[Partition]
    """Every input partition, topics without prefix."""
    max_record_bytes: int
    dead: frozenset[tuple[str, int, int]] = frozenset()
    facts: int = 0
    net: dict[str, Value] = field(default_factory=dict)
    """The decisions that stand, by id."""
    standings: dict[str, Value] = field(default_factory=dict)
    refused: list[LogRow] = field(default_factory=list)
    """New dead letters: records that were taken in then and would be refused now."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """Accounts that could not be evaluated, and why."""

    watermark: Instant | None = field(init=False)
    """Up to where deadlines are judged while the history is read, None for nowhere."""

    def __post_init__(self) -> None:
        self.watermark = self.judged.furthest
        self.store = MemoryStore(self.places, SHARDS)
        self.store.tables.compared_until = self.watermark
        clock = WallClock()
        self._enforcement = Enforcement(self.store, self.policies, clock, 0, UUID(int=0), SHARDS)
        self._decoder = Decoder(self.policies, self.max_record_bytes)
        self._now = clock.wall()
        self._judged_at = 0

    def take_in(self, records: Mapping[Partition, Sequence[Record]]) -> None:
        """Take in some records, of any partitions, each partition's in their order."""
        batch = Batch()
        moves = []
        for place, read in records.items():
            some = [each for each in read if (*place, each.offset) not in self.dead] if self.dead else read
            if some:
                said = self._decoder.decode(place[0], some, batch, self._now)
                moves.append(self._move(place, some[-1].offset + 1, said.latest, said.latest))
                self.facts += len(some)
        if moves:
            self._follow(run_alone(self._enforcement.process_batch(batch, moves)))
        if self.facts - self._judged_at >= DEADLINES_EVERY:
            self._judge_deadlines()

    def ended(self, place: Partition) -> None:
        """A partition was read to its end: it holds the watermark back no longer."""
        position = self._position(place)
        if self.watermark is not None and position.watermark != self.watermark:
            move = self._move(place, position.next_offset, self.watermark)
            run_alone(self._enforcement.process_batch(Batch(), [move]))

    def finish(self) -> None:
        """Judge what is left once everything was read."""
        for place in self.places:
            self.ended(place)
        self._judge_deadlines()
        self._judge_as_far_as_live()

    def _judge_as_far_as_live(self) -> None:
        """Judge the accounts again that are judged less far than the furthest, each up to its own instant.

        What was decided of them beyond it is withdrawn, as if it had never been decided.
        """
        tables = self.store.tables
        tables.compared_until = None  # no watermark any more: each account has where it was judged
        again = []
        for account_id, row in tables.accounts.items():
            until = self.judged.until(account_id)
            if self.watermark is not None and until != self.watermark:
                tables.accounts[account_id] = row._replace(judged_until=None if until == MINUS_INFINITY else until)
                again.append(account_id)
        for first in range(0, len(again), AT_A_TIME):
            self._follow(run_alone(self._enforcement.judge_again(sorted(again[first : first + AT_A_TIME]))))

    def _position(self, place: Partition) -> Position:
        return self.store.tables.positions[place]

    def _move(self, place: Partition, next_offset: int, until: Instant | None, latest: Instant | None = None) -> Move:
        """A partition is taken to be complete up to its newest fact: too far where one is late, and then mended."""
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
        """Fan-out what companies came to, and net what was published meanwhile."""
        self.quarantined |= done.quarantined
        while (fanout := self.store.next_fanout()) is not None:
            self.quarantined |= run_alone(self._enforcement.process_fanout(fanout, ALL)).quarantined
        [rows] = self.store.tables.log.values()
        for row in rows:
            if row.topic == Topic.DEAD_LETTERS:
                self.refused.append(row)
            else:
                self._net(row.topic, row.value)
        rows.clear()

    def _net(self, topic: str, raw: bytes) -> None:
        value: Value = orjson.loads(raw)
        if topic == "account-standing":
            self.standings[value["account_id"]] = value
        elif "withdraws" in value:
            del self.net[value["withdraws"]]
        elif "decision_id" in value:
            self.net[value["decision_id"]] = value


def every_partition(found: Iterable[Partition]) -> list[Partition]:
    """The partitions found, and one of each input topic that has none."""
    places = set(found)
    topics = {topic for topic, _ in places}
    return sorted(places | {(topic, 0) for topic in INPUT_TOPICS if topic not in topics})


def quiet_collector() -> None:
    """A history is many small objects that live to the end; looking for cycles among them finds none."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
