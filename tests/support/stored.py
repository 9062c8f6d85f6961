"""A handler without a database: positions compared and set like the store's, and every record counted."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka import ConsumerRecord

from contracts.topics import Partition
from workers.codec.decoding import Read
from workers.ingest.partition import OwnedPartition, PartitionBatch
from workers.store.records import Position


class PositionMoved(Exception):
    """The batch does not begin where the stored position is, or another owner claimed it."""


@dataclass(slots=True)
class Positions:
    """The rows that several workers share: next offset and owner of each partition, and what was applied."""

    next_offset: dict[Partition, int] = field(default_factory=dict)
    owner: dict[Partition, object] = field(default_factory=dict)
    epoch: Counter[Partition] = field(default_factory=Counter)
    applied: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    records: list[ConsumerRecord] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def apply(self, owner: object, batch: Sequence[PartitionBatch]) -> None:
        """One transaction: all positions move, or PositionMoved is raised and nothing does."""
        for part in batch:
            place = (part.topic, part.partition)
            found = (self.next_offset.get(place, 0), self.owner.get(place))
            if found != (part.fetched_from, owner):
                raise PositionMoved(f"{place}: batch from {part.fetched_from}, stored {found}")
        for part in batch:
            self.next_offset[part.topic, part.partition] = part.next_offset
            for record in part.records:
                assert part.fetched_from <= record.offset < part.next_offset
                self.applied[part.topic, part.partition, record.offset] += 1
                self.records.append(record)
        self.changed.set()

    async def until(self, ends: Mapping[Partition, int], seconds: float = 20) -> None:
        """Wait until every position reached its end."""
        async with asyncio.timeout(seconds):
            while any(self.next_offset.get(place, 0) < end for place, end in ends.items()):
                self.changed.clear()
                await self.changed.wait()

    async def until_applied(self, count: int, seconds: float = 20) -> None:
        """Wait until so many records were applied."""
        async with asyncio.timeout(seconds):
            while len(self.records) < count:
                self.changed.clear()
                await self.changed.wait()


@dataclass(slots=True)
class Worker:
    """The handler of one loop; `fail` makes its next transactions fail, `seconds` makes them slow."""

    positions: Positions = field(repr=False)
    seconds: float = 0.0
    fail: int = 0
    failures: int = 0
    committed: list[Sequence[PartitionBatch]] = field(default_factory=list)
    claims: list[Sequence[Partition]] = field(default_factory=list)
    waits: dict[Partition, int] = field(default_factory=dict)
    """Offsets that are not processed until they are removed here."""
    owned: dict[Partition, OwnedPartition] = field(default_factory=dict)
    busy: bool = False

    async def claim(self, places: Sequence[Partition]) -> None:
        """Take the rows over."""
        assert not self.busy, "a claim in the middle of a transaction"
        await asyncio.sleep(self.seconds)
        self.claims.append(places)
        for place in places:
            self.positions.owner[place] = self
            self.positions.epoch[place] += 1
            stored = self.positions.next_offset.get(place, 0)
            self.owned[place] = OwnedPartition(Position(*place, stored, self.positions.epoch[place], None, None))

    async def release(self, places: Sequence[Partition]) -> None:
        """The rows hold everything."""
        assert not self.busy, "released in the middle of a transaction"
        for place in places:
            del self.owned[place]

    async def decode(self, batches: Sequence[PartitionBatch]) -> Sequence[PartitionBatch]:
        """As it is."""
        return batches

    def _before_what_waits(self, batch: PartitionBatch) -> PartitionBatch:
        """The batch up to what must wait."""
        waits = self.waits.get(batch.place)
        if waits not in {record.offset for record in batch.records}:
            return batch
        self.owned[batch.place].cut(waits)
        before = [record for record in batch.records if record.offset < waits]
        return replace(batch, next_offset=waits, records=before)

    async def process(self, decoded: Sequence[PartitionBatch]) -> None:
        """One transaction."""
        assert not self.busy, "two transactions at once"
        self.busy = True
        try:
            await asyncio.sleep(self.seconds)
            if self.fail:
                self.fail -= 1
                self.failures += 1
                raise ConnectionError("the database is away")
            accepted = [each for each in decoded if each.place in self.owned and self.owned[each.place].accepts(each)]
            batches = [self._before_what_waits(each) for each in accepted]
            self.positions.apply(self, batches)
            self.committed.append(batches)
            for batch in batches:
                partition = self.owned[batch.place]
                partition.committed(partition.advance(batch.next_offset, Read(), 0), partition.window)
        finally:
            self.busy = False
