"""Simulated Kafka: input partitions with transactions, and the consumer of one ingest worker.

Every request takes a step before its answer and one after it, so an answer can be out of date. A read_committed
reader sees no record of an open transaction, none behind it, and none of an aborted one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.topics import INPUT_TOPICS, Partition
from tests.simulator.scenario import PARTITIONS
from tests.support.played_positions import PlayedPositions
from tests.support.scheduled_store import STEP
from workers.ingest.worker import Ingest
from workers.kafka.consumer_listener import ConsumerListener
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
class PlayedConsumer(PlayedPositions):
    """One ingest worker's consumer; its `worker` is given once it is made."""

    world: "World"
    number: int
    decided: dict[Partition, int] = field(default_factory=dict)
    """The last stable offsets that fetches answered."""
    seen: int = -1
    worker: Ingest = field(init=False)

    async def start(self, listener: ConsumerListener) -> None:
        """Nobody runs the loop: the scheduler takes its steps."""

    async def stop(self, owned: int) -> None:
        """The same."""

    async def follow(self) -> None:
        """Learn which partitions are assigned to this worker now."""
        owned = self.worker.processing.owned
        assigned = [place for place in PLACES if self.world.assigned[place] == self.number]
        if set(assigned) != owned.keys():
            await self.worker.loop.revoked()
            await self.worker.loop.assigned(assigned)

    async def reclaim(self) -> None:
        """Begin, or begin again from what is stored."""
        await self.follow()
        await self.worker.loop.reclaim()

    async def ends(self, read: Mapping[Partition, int]) -> Mapping[Partition, int]:
        await STEP
        ends = {place: self.world.logs[place].high_watermark for place in read}
        await STEP
        return ends

    async def ends_of(self, topic: str) -> Mapping[int, int]:
        ends = {}
        for number in range(PARTITIONS):  # each has a leader of its own
            await STEP
            ends[number] = self.world.logs[topic, number].high_watermark
        await STEP
        return ends

    async def partition_counts(self) -> Mapping[str, int]:
        return dict.fromkeys(INPUT_TOPICS, PARTITIONS)

    def decided_until(self, place: Partition) -> int:
        return self.decided.get(place, 0)

    def assigned(self) -> Collection[Partition]:
        return self.worker.processing.owned.keys()

    def resume(self, place: Partition) -> None:
        PlayedPositions.resume(self, place)
        self.world.store.moves += 1

    def unread(self) -> list[Partition]:
        logs, lags = self.world.logs, self.world.lags
        return [
            at
            for at, owned in self.worker.processing.owned.items()
            if at not in self.paused_places and owned.fetch_offset < logs[at].stable and not lags(at)
        ]

    def may_go_on(self) -> bool:
        return self.seen != self.world.store.moves or bool(self.unread())

    async def poll(self, most: int, *, patiently: bool) -> Mapping[Partition, Sequence[Any]] | None:
        """Some records of some partitions; None where they are lost with an error."""
        random, found = self.world.random, {}
        for place in self.unread():
            if random.random() < 0.75:
                log, first = self.world.logs[place], self.positions[place]
                self.decided[place] = log.stable
                self.positions[place] = min(first + random.choice([1, 1, 2, 5, 50]), log.stable)
                found[place] = [each for each in log.records[first : self.positions[place]] if each is not None]
        return found if random.random() < 0.95 else None
