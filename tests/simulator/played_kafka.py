"""Kafka, played: input partitions with transactions, and one ingest worker's consumer of them.

Every request is a step before it is answered and one after, so an answer can be old when it comes. A read_committed
reader sees nothing of a transaction that is open, nor what lies behind it, and nothing of one that was aborted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.topics import INPUT_TOPICS
from tests.simulator.scenario import PARTITIONS
from tests.support.scheduled_store import STEP
from workers.ingest.worker import Ingest
from workers.kafka.handling import Partition, PartitionBatch
from workers.rules.calendar import Instant

if TYPE_CHECKING:
    from tests.simulator.simulation import World

PLACES: list[Partition] = [(topic, number) for topic in INPUT_TOPICS for number in range(PARTITIONS)]


@dataclass(slots=True)
class Log:
    """One partition: its records, and None for each offset that no reader is given."""

    records: list[Any] = field(default_factory=list)
    appended_at: list[Instant] = field(default_factory=list)
    undecided: set[int] = field(default_factory=set)

    @property
    def high_watermark(self) -> int:
        return len(self.records)

    @property
    def stable(self) -> int:
        """The last stable offset."""
        return min(self.undecided) if self.undecided else len(self.records)

    def append(self, record: Any, at: Instant, *, in_transaction: bool = False) -> int:
        """A record, or the marker of a transaction's end (None); returns its offset."""
        offset = len(self.records)
        self.records.append(record)
        self.appended_at.append(at)
        if in_transaction:
            self.undecided.add(offset)
        return offset

    def end(self, offset: int, at: Instant, *, commit: bool) -> None:
        """End the transaction of the record at an offset."""
        self.undecided.remove(offset)
        if not commit:
            self.records[offset] = None
        self.append(None, at)

    def unread_since(self, offset: int) -> Instant | None:
        """When the first record from an offset on was acknowledged; None where there is none."""
        rest = zip(self.records[offset:], self.appended_at[offset:], strict=True)
        return next((at for record, at in rest if record is not None), None)


@dataclass(slots=True)
class PlayedIntake:
    """One ingest worker's consumer: the partitions it was assigned, and where it reads on."""

    world: "World"
    number: int
    reads_at: dict[Partition, int] = field(default_factory=dict)
    decided: dict[Partition, int] = field(default_factory=dict)
    """The last stable offsets that fetches answered."""
    resting: set[Partition] = field(default_factory=set)
    seen: int = -1
    ingest: Ingest = field(init=False)

    async def claim(self, places: list[Partition]) -> None:
        if places:
            self.reads_at |= await self.ingest.claim(places)
            self.resting -= set(places)

    async def reclaim(self) -> None:
        await self.follow()
        await self.claim(list(self.reads_at))

    async def follow(self) -> None:
        """Learn which partitions are assigned to this worker now."""
        assigned = [place for place in PLACES if self.world.assigned[place] == self.number]
        revoked = [place for place in self.reads_at if place not in assigned]
        if revoked:
            await self.ingest.revoked(revoked)
            for place in revoked:
                del self.reads_at[place]
        await self.claim([place for place in assigned if place not in self.reads_at])

    async def ends(self) -> Mapping[Partition, int]:
        await STEP
        ends = {place: self.world.logs[place].high_watermark for place in self.reads_at}
        await STEP
        return ends

    async def ends_of(self, topic: str) -> Mapping[int, int]:
        ends = {}
        for number in range(PARTITIONS):  # each has a leader of its own
            await STEP
            ends[number] = self.world.logs[topic, number].high_watermark
        await STEP
        return ends

    def decided_until(self, topic: str, partition: int) -> int:
        return self.decided.get((topic, partition), 0)

    async def partition_counts(self) -> Mapping[str, int]:
        return dict.fromkeys(INPUT_TOPICS, PARTITIONS)

    def pause(self, topic: str, partition: int) -> None:
        self.resting.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        self.resting.discard((topic, partition))
        self.world.store.moves += 1

    def unread(self) -> list[Partition]:
        logs, lags = self.world.logs, self.world.lags
        return [
            at
            for at, offset in self.reads_at.items()
            if at not in self.resting and offset < logs[at].stable and not lags(at)
        ]

    def may_go_on(self) -> bool:
        return self.seen != self.world.store.moves or bool(self.unread())

    def fetch(self) -> list[PartitionBatch]:
        """Some records of some partitions."""
        random, found = self.world.random, []
        for place in self.unread():
            if random.random() < 0.75:
                log, first = self.world.logs[place], self.reads_at[place]
                self.decided[place] = log.stable
                self.reads_at[place] = min(first + random.choice([1, 1, 2, 5, 50]), log.stable)
                records = [each for each in log.records[first : self.reads_at[place]] if each is not None]
                found.append(PartitionBatch(*place, first, self.reads_at[place], records))
        return found
