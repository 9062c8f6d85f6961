"""A handler without a database: positions compared and set like the store's, and every record counted."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka import ConsumerRecord

from workers.kafka.handling import PartitionBatch

Partition = tuple[str, int]


class PositionMoved(Exception):
    """The batch does not begin where the stored position is, or another owner claimed it."""


@dataclass(slots=True)
class Positions:
    """The rows that several workers share: next offset and owner of each partition, and what was applied."""

    next_offset: dict[Partition, int] = field(default_factory=dict)
    owner: dict[Partition, object] = field(default_factory=dict)
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
    """The handler of one intake; `fail` makes its next transactions fail, `seconds` makes them slow."""

    positions: Positions = field(repr=False)
    seconds: float = 0.0
    fail: int = 0
    failures: int = 0
    committed: list[Sequence[PartitionBatch]] = field(default_factory=list)
    claims: list[Sequence[Partition]] = field(default_factory=list)
    waits: dict[Partition, int] = field(default_factory=dict)
    """Offsets that may not be taken in until they are removed here."""
    busy: bool = False

    async def claim(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Take the rows over."""
        assert not self.busy, "a claim in the middle of a transaction"
        await asyncio.sleep(self.seconds)
        self.claims.append(partitions)
        for place in partitions:
            self.positions.owner[place] = self
        return {place: self.positions.next_offset.get(place, 0) for place in partitions}

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Nothing to forget: the rows hold everything."""
        assert not self.busy, "revoked in the middle of a transaction"

    async def decode(self, batch: Sequence[PartitionBatch]) -> Sequence[PartitionBatch]:
        """As it is."""
        return batch

    def _split(self, batch: Sequence[PartitionBatch]) -> tuple[list[PartitionBatch], dict[Partition, int]]:
        """The batch up to what must wait, and where that is."""
        taken, taken_back = [], {}
        for part in batch:
            place = (part.topic, part.partition)
            waits = self.waits.get(place)
            if self.positions.next_offset.get(place, 0) != part.fetched_from and waits is not None:
                taken_back[place] = self.positions.next_offset[place]  # fetched behind what waits
            elif waits not in {record.offset for record in part.records}:
                taken.append(part)
            else:
                before = [record for record in part.records if record.offset < waits]
                taken.append(replace(part, next_offset=waits, records=before))
                taken_back[place] = waits
        return taken, taken_back

    async def commit(self, decoded: Sequence[PartitionBatch]) -> Mapping[Partition, int]:
        """One transaction."""
        assert not self.busy, "two transactions at once"
        self.busy = True
        try:
            await asyncio.sleep(self.seconds)
            if self.fail:
                self.fail -= 1
                self.failures += 1
                raise ConnectionError("the database is away")
            taken, taken_back = self._split(decoded)
            self.positions.apply(self, taken)
            self.committed.append(taken)
            return taken_back
        finally:
            self.busy = False
