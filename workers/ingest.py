"""The ingest worker: reads the input topics and takes batches in, one transaction each.

Owns which records of a fetch may be taken in now: a case waits for the registry, and a partition of mostly dead
letters for an operator. The invariant: a position moves only from where its batch was fetched, in the transaction
that writes what followed from it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from workers.codec.batch import Batch
from workers.codec.decoding import Decoder, Read, keep_before, read_of
from workers.completeness import Completeness, Partition, Present
from workers.enforcement.road import Enforcement, Misread, Place
from workers.kafka.consumer import KAFKA_TRANSIENT, Intake
from workers.kafka.handling import PartitionBatch
from workers.measuring import decided
from workers.ops import metrics as names
from workers.ops.backoff import Backoff, insist
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.poison import Poison, Taken
from workers.rules.calendar import Instant
from workers.store.listener import Bell
from workers.store.postgres import TRANSIENT, LostOwnership, Store
from workers.store.records import Advance

log = structlog.get_logger()

HEARTBEAT_SECONDS = 0.25
"""How often an idle worker proves that it has read to the end; deadlines are late by this much at most."""
WAITING_HEARTBEAT_SECONDS = 0.02
"""The same while a case waits for the registry."""
SLICE = 400
"""Records decoded before the event loop is given way."""
TRIES = 8
PARTITIONS = "partitions of its own"
"""What an ingest worker must have to be ready."""


class PartitionsChanged(Exception):
    """A topic has another number of partitions than `standing setup` recorded."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one partition's records say, decoded."""

    batch: PartitionBatch
    said: Batch
    read: Read

    @property
    def place(self) -> Partition:
        return (self.batch.topic, self.batch.partition)

    def taken(self, next_offset: int) -> Taken:
        """What counts for the share of dead letters: the records before `next_offset`."""
        records = self.batch.records
        if records and records[-1].offset >= next_offset:
            records = [each for each in records if each.offset < next_offset]
        return Taken(self.place, records, self.said.rejected)


@dataclass(frozen=True, slots=True)
class Move:
    """A part that is taken in up to `next_offset`, which may be that of a case of the instant `waiting`."""

    part: Part
    taken: Taken
    next_offset: int
    waiting: Instant | None

    def read(self, refused: frozenset[Place]) -> Read:
        """What its records say of time, without those that were refused."""
        offsets = {offset for topic, partition, offset in refused if (topic, partition) == self.part.place}
        if self.waiting is None and not offsets:
            return self.part.read
        return read_of(self.part.said, offsets, self.waiting)


@dataclass(slots=True)
class Ingest:
    """One ingest worker; the intake calls `claim`, `revoked`, `decode` and `commit`."""

    store: Store
    enforcement: Enforcement
    decoder: Decoder
    intake: Intake
    clock: Clock
    present: Present
    bell: Bell
    """Rings where a case waits for what this or another worker reads."""
    owner: str
    input_partitions: int
    complete: Completeness = field(default_factory=Completeness)
    waiting: dict[Partition, tuple[int, Instant]] = field(default_factory=dict)
    """Cases that wait: their offset, and the instant up to which the registry must be complete first."""
    cleared: dict[Partition, int] = field(default_factory=dict)
    """The offset of the last case that waited long enough, by partition."""
    poison: Poison = field(default_factory=Poison)
    vitals: Vitals = field(default_factory=Vitals)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _case_began_to_wait: bool = False
    _partitions_changed: str = ""
    """What was last said of topics with another number of partitions."""

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set; raises where the worker must be started anew."""
        async with asyncio.TaskGroup() as tasks:
            heartbeats = tasks.create_task(self._heartbeats(stop))
            await self.intake.run(self, stop)
            heartbeats.cancel()

    # -- what the intake calls -----------------------------------------------------------------------------

    async def claim(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Take partitions over; what an older owner still holds can no longer be written."""
        async with self._writing:
            claimed = await self.store.claim_positions(partitions, self.owner)
            rejects = await self.store.rejects(partitions)
            log.info("partitions claimed", count=len(claimed))
            self.complete.claimed(claimed)
            self.vitals.metrics.count(names.CLAIMS)
            self.vitals.has(PARTITIONS, really=bool(self.complete))
            self.poison.claimed(partitions, rejects)
            for place in partitions:
                self.waiting.pop(place, None)
                self.cleared.pop(place, None)
            return {(each.topic, each.partition): each.next_offset for each in claimed}

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget partitions that another worker takes over."""
        async with self._writing:
            self.complete.forget(partitions)
            self.vitals.has(PARTITIONS, really=bool(self.complete))
            self.poison.forget(partitions)
            for place in partitions:
                self.waiting.pop(place, None)

    async def decode(self, batch: Sequence[PartitionBatch]) -> list[Part]:
        """Decode a fetch, a slice at a time, so that the commit of the one before goes on meanwhile."""
        now = self.clock.wall()
        parts = []
        for each in batch:
            said, read = Batch(), Read()
            for first in range(0, len(each.records), SLICE):
                records = each.records[first : first + SLICE]
                read = read.then(self.decoder.decode(each.topic, records, said, now))
                await asyncio.sleep(0)
            parts.append(Part(each, said, read))
        return parts

    async def commit(self, decoded: list[Part]) -> Mapping[Partition, int]:
        """Take decoded parts in; returns the partitions to take back, where a case or all of one must wait."""
        taken_back: dict[Partition, int] = {}
        moves: list[Move] = []
        now = self.clock.wall()
        async with self._writing:
            paused = self.poison.paused()
            for each in decoded:
                owned = self.complete.next_offset(each.place)
                if owned != each.batch.fetched_from or each.place in paused:
                    if owned is not None:  # the partition was made to wait before this: read again from there
                        taken_back[each.place] = owned
                    if each.place in paused:
                        self.intake.pause(*each.place)
                    continue
                part = self._before_poison(each, now)
                next_offset, waiting = part.batch.next_offset, None
                if part is not each:
                    taken_back[part.place] = next_offset
                if part.batch.topic == "complaints" and (case := await self._first_waiting(part)) is not None:
                    next_offset, waiting = case
                    self._wait(part, next_offset, waiting, now)
                    taken_back[part.place] = next_offset
                moves.append(Move(part, part.taken(next_offset), next_offset, waiting))
            if moves:
                await self._take_in(moves, now)
        return taken_back

    def _advance(self, move: Move, refused: frozenset[Place], now: Instant) -> Advance:
        """The move of a part's position; of one that rests from now on nothing is known to be complete."""
        advance = self.complete.advance(move.part.place, move.next_offset, move.read(refused), now)
        return advance if self.poison.readable(move.taken) is None else advance._replace(complete_until=None)

    async def _take_in(self, moves: Sequence[Move], now: Instant) -> None:
        whole = Batch()
        for each in moves:
            whole.add(each.part.said)
        taken = [each.taken for each in moves]
        counting = self.poison.counting(taken)
        began = time.perf_counter()
        refused: frozenset[Place] = frozenset()
        while True:
            advances = [self._advance(each, refused, now) for each in moves]
            try:
                done = await self.enforcement.take_in(advances, whole, counting, refused)
                break
            except Misread as error:
                refused = error.refused
        decided(self.vitals.metrics, done, time.perf_counter() - began)
        records = sum(len(each.records) for each in taken)
        self.vitals.metrics.count(names.RECORDS, records)
        self.vitals.metrics.observe(names.BATCH_RECORDS, records)
        self.complete.committed(advances)
        self.poison.committed(counting)
        for place, why in counting.newly_paused().items():
            self.intake.pause(*place)
            log.error(
                "partition paused until `standing dead-letters accept`; no silence is enforced meanwhile",
                topic=place[0],
                partition=place[1],
                why=why,
            )

    # -- partitions of mostly dead letters -----------------------------------------------------------------

    def _before_poison(self, part: Part, now: Instant) -> Part:
        """The part up to the record after which its partition must rest; the same part where there is none."""
        batch = part.batch
        count = self.poison.readable(Taken(part.place, batch.records, part.said.rejected))
        if count is None or count == len(batch.records):
            return part
        records, said = batch.records[:count], Batch()
        read = self.decoder.decode(batch.topic, records, said, now)
        return Part(replace(batch, records=records, next_offset=records[-1].offset + 1), said, read)

    async def _let_accepted_go_on(self) -> None:
        paused = self.poison.paused()
        if not paused:
            return
        async with self._writing:
            places = [place for place in paused if self.complete.next_offset(place) is not None]
            self.poison.claimed(places, await self.store.rejects(places))
            for place in places:
                if place not in self.poison.paused():
                    log.info("partition goes on: its dead letters were accepted", topic=place[0], partition=place[1])
                    if place not in self.waiting:
                        self.intake.resume(*place)

    # -- cases that wait for the registry ------------------------------------------------------------------

    async def _first_waiting(self, part: Part) -> tuple[int, Instant] | None:
        """The first case that may not be taken in yet: offset and instant."""
        until = await self._registry_read_until()
        cases = ((fact.record.offset, fact.at) for facts in part.said.facts.values() for fact in facts)
        cleared = self.cleared.get(part.place)
        return min(
            ((offset, at) for offset, at in cases if offset != cleared and (until is None or at > until)),
            default=None,
        )

    async def _registry_read_until(self) -> Instant | None:
        """Up to when every partition of the registry is known to have been read; None where one is not."""
        found = [each.complete_until for each in await self.store.positions() if each.topic == "seller-accounts"]
        return None if None in found else min(each for each in found if each is not None)

    def _wait(self, part: Part, offset: int, at: Instant, now: Instant) -> None:
        """Leave the partition at a case: it waits until the registry was read up to it or, if the case is
        ahead of the clock, up to now. What comes behind it is dropped.
        """
        self.waiting[part.place] = (offset, self.present.reached_by(at, now))
        self.intake.pause(*part.place)
        self._case_began_to_wait = True
        self.bell.ring()
        keep_before(part.said, offset)

    async def _let_cases_go_on(self) -> None:
        if not self.waiting:
            return
        until = await self._registry_read_until()
        for place, (offset, needed) in list(self.waiting.items()):
            if until is not None and until >= needed:
                self.cleared[place] = offset
                del self.waiting[place]
                if place not in self.poison.paused():
                    self.intake.resume(*place)

    # -- heartbeats: proving what is complete --------------------------------------------------------------

    async def _heartbeats(self, stop: asyncio.Event) -> None:
        backoff = Backoff(TRIES, self.vitals.failed)
        while not stop.is_set():
            self.vitals.turned("heartbeats")
            try:
                await insist(partial(self._beat, stop), backoff, (*TRANSIENT, *KAFKA_TRANSIENT))
            except PartitionsChanged as error:
                if str(error) != self._partitions_changed:  # once, not with each heartbeat
                    log.error("silence is not enforced", why=str(error))
                self._partitions_changed = str(error)
                await asyncio.sleep(HEARTBEAT_SECONDS)
            except LostOwnership as error:
                log.warning("partitions are claimed anew", why=str(error))
                await backoff.failed(error)
                await insist(self.intake.reclaim, Backoff(TRIES, self.vitals.failed), (*TRANSIENT, *KAFKA_TRANSIENT))

    async def _beat(self, stop: asyncio.Event) -> None:
        await self.bell.wait(WAITING_HEARTBEAT_SECONDS if self.waiting else HEARTBEAT_SECONDS, stop)
        await self._heartbeat()

    async def _heartbeat(self) -> None:
        """Prove where the ends are, move idle partitions up to them, and let what waits go on."""
        if self._case_began_to_wait:
            self._case_began_to_wait = False
            await self.store.notify_case()
        await self._let_accepted_go_on()
        present = await self.present.now()
        self.vitals.answered("database")
        if present is None or not self.complete:
            return
        await self._compare_partitions(present)
        unsettled = self.intake.unsettled()
        ends = await self.intake.ends()
        self.vitals.answered("kafka")
        async with self._writing:
            self.complete.ends_seen(ends, present, unsettled)
            resting = self.poison.paused()
            advances = [each for each in self.complete.idle_advances() if each[:2] not in resting]
            if advances:
                await self.enforcement.take_in(advances, Batch())
                self.complete.committed(advances)
                await self.store.notify_horizon()
        await self._let_cases_go_on()

    async def _compare_partitions(self, present: Instant) -> None:
        """Silence is only judged while the brokers have just the partitions that were set up."""
        counts = await self.intake.partition_counts()
        wrong = [f"{topic} has {count}" for topic, count in counts.items() if count != self.input_partitions]
        if wrong:
            raise PartitionsChanged(f"{', '.join(wrong)} partitions, but {self.input_partitions} were set up")
        self._partitions_changed = ""
        await self.store.compared_partitions(present)

    # -- what is measured when somebody asks ---------------------------------------------------------------

    def measure(self) -> None:
        """Set the gauges of this worker's partitions."""
        metrics = self.vitals.metrics
        lags = self.complete.lags()
        metrics.clear(names.LAG)
        for (topic, partition), lag in lags.items():
            metrics.set(names.LAG, lag, topic=topic, partition=str(partition))
        metrics.set(names.PARTITIONS, len(lags))
        metrics.set(names.HALTED, len(self.intake.halted))
        metrics.set(names.CASES_WAITING, len(self.waiting))
