"""What an ingest worker does in the database: it claims partitions, and processes what is read of them.

Owns which records of a fetch may be processed now: a case waits for the registry, and a partition of mostly dead
letters for an operator. The invariant: a position moves only from where its batch was fetched, in the transaction
that writes what followed from it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.topics import Partition
from workers.codec.batch import Batch, Rejected
from workers.codec.decoding import Decoder, Read
from workers.enforcement.position_moves import Move
from workers.enforcement.process import Enforcement
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.decoded import Decoded
from workers.ingest.partition import OwnedPartition, PartitionBatch
from workers.ingest.registry import CASES
from workers.measuring import decided
from workers.ops import metrics
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.ops.slots import stand_back
from workers.rules.calendar import Instant
from workers.store.protocols import InputPositions
from workers.store.records import Position

log = Log()

SLICE = 400
"""Records decoded before the event loop is given way."""
PARTITIONS = "partitions of its own"
"""What an ingest worker must have to be ready."""


@dataclass(frozen=True, slots=True)
class DecodedMove:
    """A batch of one partition as it is processed: how far it moves the position, and what its dead letters count."""

    part: Decoded
    partition: OwnedPartition
    now: Instant

    @property
    def before(self) -> Position:
        """The position that the batch was fetched from."""
        return self.partition.position

    def given(self, refused: Sequence[Rejected]) -> Move:
        """The move, where these records of the partition are refused by what was read before them.

        Of a partition that is paused from now on nothing more is known to be complete.
        """
        part, partition = self.part, self.partition
        after = partition.advance(part.batch.next_offset, part.read_without(refused), self.now)
        window = part.window_after(partition.window, refused)
        if window.paused is not None:
            after = after._replace(watermark=self.before.watermark)
        is_clean = window.is_clean and partition.window.is_clean
        return Move(self.before, after, None if is_clean else window.row(part.batch.place))

    def committed(self, move: Move) -> None:
        """The move was committed."""
        row = move.window
        window = self.part.window_after(self.partition.window, ()) if row is None else DeadLetterWindow.of(row)
        self.partition.committed(move.after, window)
        if (why := window.paused) is not None:
            log.error(
                "partition paused until `standing dead-letters accept`; no deadline is enforced meanwhile",
                topic=self.part.batch.topic,
                partition=self.part.batch.partition,
                why=why,
            )


@dataclass(slots=True)
class Processing:
    """The partitions of one worker in the database; the loop calls it."""

    store: InputPositions
    enforcement: Enforcement
    decoder: Decoder
    clock: Clock
    owner: str
    vitals: Vitals = field(default_factory=Vitals)
    owned: dict[Partition, OwnedPartition] = field(default_factory=dict)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while positions are written."""
    case_began_to_wait: asyncio.Event = field(default_factory=asyncio.Event)

    async def claim(self, places: Sequence[Partition]) -> None:
        """Take partitions over; what an older owner still holds can no longer be written. Raises NameTaken."""
        async with self.writing:
            stand_back(self.owner, await self.store.position_owners(places))
            claimed = await self.store.claim_positions(places, self.owner)
            windows = {each[:2]: DeadLetterWindow.of(each) for each in await self.store.dead_letter_windows(places)}
            log.info("partitions claimed", count=len(claimed))
            self._forget(places)
            for each in claimed:
                self.owned[each[:2]] = OwnedPartition(each, windows.get(each[:2], DeadLetterWindow()))
            self.vitals.metrics.count(metrics.CLAIMS)
            self.vitals.has(PARTITIONS, really=bool(self.owned))

    async def release(self, places: Sequence[Partition]) -> None:
        """Forget partitions that another worker takes over."""
        async with self.writing:
            self._forget(places)
            self.vitals.has(PARTITIONS, really=bool(self.owned))

    def _forget(self, places: Sequence[Partition]) -> None:
        for place in places:
            self.owned.pop(place, None)

    async def decode(self, batches: Sequence[PartitionBatch]) -> list[Decoded]:
        """Decode a fetch, a slice at a time, so that the unit of work before it goes on meanwhile."""
        now = self.clock.wall()
        found = []
        for each in batches:
            said, read = Batch(), Read()
            for first in range(0, len(each.records), SLICE):
                records = each.records[first : first + SLICE]
                read = read.then(self.decoder.decode(each.topic, records, said, now))
                await asyncio.sleep(0)
            found.append(Decoded(each, said, read))
        return found

    async def process(self, decoded: Sequence[Decoded]) -> None:
        """One unit of work: process what may be processed of a fetch; the rest is fetched again."""
        now = self.clock.wall()
        async with self.writing:
            parts = [
                self._before_case(self._before_limit(each, now))
                for each in decoded
                if (partition := self.owned.get(each.batch.place)) is not None and partition.accepts(each.batch)
            ]
            if parts:
                await self._commit(parts, now)

    # -- where a batch is cut ------------------------------------------------------------------------------

    def _before_limit(self, part: Decoded, now: Instant) -> Decoded:
        """The batch up to the record after which its partition must be paused; the same where there is none."""
        partition, records = self.owned[part.batch.place], part.batch.records
        count = partition.window.limit(records, part.unreadable())
        if count is None or count == len(records):
            return part
        said = Batch()
        part = part.until(count, said, self.decoder.decode(part.batch.topic, records[:count], said, now))
        partition.cut(part.batch.next_offset)
        return part

    def _before_case(self, part: Decoded) -> Decoded:
        """The batch up to the first case that has to wait for the registry; the same where there is none."""
        if part.batch.topic != CASES:
            return part
        partition = self.owned[part.batch.place]
        if (offset := partition.first_to_wait(part.fact_offsets())) is None:
            return part
        partition.case_must_wait(covers=max(part.batch.next_offset, part.batch.decided_until))
        partition.cut(offset)
        self.case_began_to_wait.set()
        return part.before(offset)

    # -- the unit of work ----------------------------------------------------------------------------------

    async def _commit(self, parts: Sequence[Decoded], now: Instant) -> None:
        whole = Batch()
        for part in parts:
            whole.add(part.said)
        inputs = [DecodedMove(each, self.owned[each.batch.place], now) for each in parts]
        began = time.perf_counter()
        done = await self.enforcement.process_batch(whole, inputs)
        decided(self.vitals, done, time.perf_counter() - began)
        records = sum(len(each.batch.records) for each in parts)
        self.vitals.metrics.count(metrics.RECORDS, records)
        self.vitals.metrics.observe(metrics.BATCH_RECORDS, records)
        for each, move in zip(inputs, done.moves, strict=True):
            each.committed(move)
