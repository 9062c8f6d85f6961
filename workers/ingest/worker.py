"""The ingest worker: reads the input topics and takes batches in, one transaction each.

Owns which records of a fetch may be taken in now: a case waits for the registry, and a partition of mostly dead
letters for an operator. The invariant: a position moves only from where its batch was fetched, in the transaction
that writes what followed from it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from workers.codec.batch import Batch, Rejected
from workers.codec.decoding import Decoder, Read, keep_before, read_of
from workers.completeness import Completeness, Partition, Present
from workers.dead_letter_limiter import DeadLetterLimiter, Taken
from workers.enforcement.inputs import Move
from workers.enforcement.process import Enforcement
from workers.kafka.consumer import KAFKA_TRANSIENT, Intake
from workers.kafka.handling import PartitionBatch
from workers.measuring import decided
from workers.ops import metrics as names
from workers.ops.backoff import Backoff, try_once
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.ops.slots import stand_back
from workers.rules.calendar import Instant
from workers.store.postgres import TRANSIENT, LostOwnership
from workers.store.protocols import InputPositions
from workers.store.records import Position
from workers.waiting_cases import CASES, WaitingCases

log = Log()

HEARTBEAT_SECONDS = 0.25
"""How often an idle worker proves that it has read to the end; deadlines are late by this much at most."""
WAITING_SECONDS = 0.02
"""How often it is looked whether a case that waits for the registry may go on."""
SLICE = 400
"""Records decoded before the event loop is given way."""
TRIES = 8
PARTITIONS = "partitions of its own"
"""What an ingest worker must have to be ready."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one partition's records say, decoded."""

    batch: PartitionBatch
    said: Batch
    read: Read

    @property
    def place(self) -> Partition:
        return (self.batch.topic, self.batch.partition)

    @property
    def taken(self) -> Taken:
        """What counts for the share of dead letters."""
        return Taken(self.place, self.batch.records, self.said.rejected)

    def before(self, offset: int) -> "Part":
        """The part up to a fact, which is read again later; what comes behind it is dropped."""
        keep_before(self.said, offset)
        records = [each for each in self.batch.records if each.offset < offset]
        return Part(replace(self.batch, records=records, next_offset=offset), self.said, read_of(self.said))

    def read_without(self, refused: Sequence[Rejected]) -> Read:
        """What its records say of time, without those that were refused."""
        return read_of(self.said, {each.record.offset for each in refused}) if refused else self.read


@dataclass(frozen=True, slots=True)
class Input:
    """A part as it is taken in: how far its partition is read by it, and what is counted of its dead letters."""

    part: Part
    before: Position
    complete: Completeness
    limiter: DeadLetterLimiter
    now: Instant

    def given(self, refused: Sequence[Rejected]) -> Move:
        """The move of the position; of a partition that rests from now on nothing is known to be complete."""
        part, before = self.part, self.before
        after = self.complete.moved(part.place, part.batch.next_offset, part.read_without(refused), self.now)
        if self.limiter.readable(part.taken) is not None:
            after = after._replace(watermark=before.watermark)
        return Move(before, after, self.limiter.window(part.taken, refused))


@dataclass(slots=True)
class Ingest:
    """One ingest worker; the intake calls `claim`, `revoked`, `decode` and `commit`."""

    store: InputPositions
    enforcement: Enforcement
    decoder: Decoder
    intake: Intake
    clock: Clock
    present: Present
    owner: str
    input_partitions: int
    complete: Completeness = field(default_factory=Completeness)
    limiter: DeadLetterLimiter = field(default_factory=DeadLetterLimiter)
    vitals: Vitals = field(default_factory=Vitals)
    cases: WaitingCases = field(init=False)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _case_began_to_wait: asyncio.Event = field(default_factory=asyncio.Event)
    _partitions_changed: str = ""
    """What was last said of topics with another number of partitions."""

    def __post_init__(self) -> None:
        self.cases = WaitingCases(self.store, self.intake)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set; raises where the worker must be started anew."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(each) for each in (self._heartbeats(stop), self._waiting_cases(stop))]
            await self.intake.run(self, stop)
            for each in beside:
                each.cancel()

    # -- what the intake calls -----------------------------------------------------------------------------

    async def claim(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Take partitions over; what an older owner still holds can no longer be written. Raises NameTaken."""
        async with self._writing:
            stand_back(self.owner, await self.store.position_owners(partitions))
            claimed = await self.store.claim_positions(partitions, self.owner)
            dead_letter_windows = await self.store.dead_letter_windows(partitions)
            log.info("partitions claimed", count=len(claimed))
            self.complete.claimed(claimed)
            self.vitals.metrics.count(names.CLAIMS)
            self.vitals.has(PARTITIONS, really=bool(self.complete))
            self.limiter.claimed(partitions, dead_letter_windows)
            self.cases.forget(partitions)
            return {(each.topic, each.partition): each.next_offset for each in claimed}

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget partitions that another worker takes over."""
        async with self._writing:
            self.complete.forget(partitions)
            self.vitals.has(PARTITIONS, really=bool(self.complete))
            self.limiter.forget(partitions)
            self.cases.forget(partitions)

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
        parts: list[Part] = []
        now = self.clock.wall()
        async with self._writing:
            paused = self.limiter.paused()
            for each in decoded:
                owned = self.complete.next_offset(each.place)
                if owned != each.batch.fetched_from or each.place in paused:
                    if owned is not None:  # the partition was made to wait before this: read again from there
                        taken_back[each.place] = owned
                    if each.place in paused:
                        self.intake.pause(*each.place)
                    continue
                part = self._before_case(self._before_limit(each, now))
                if part is not each:
                    taken_back[part.place] = part.batch.next_offset
                parts.append(part)
            if parts:
                await self._process(parts, now)
        return taken_back

    async def _process(self, parts: Sequence[Part], now: Instant) -> None:
        whole = Batch()
        for each in parts:
            whole.add(each.said)
        inputs = [Input(each, self.complete.position(each.place), self.complete, self.limiter, now) for each in parts]
        began = time.perf_counter()
        done = await self.enforcement.process_batch(whole, inputs)
        decided(self.vitals.metrics, done, time.perf_counter() - began)
        records = sum(len(each.batch.records) for each in parts)
        self.vitals.metrics.count(names.RECORDS, records)
        self.vitals.metrics.observe(names.BATCH_RECORDS, records)
        self.complete.committed(each.after for each in done.moves)
        for part, move in zip(parts, done.moves, strict=True):
            why = self.limiter.committed(part.taken, move.window)
            if why is not None:
                self.intake.pause(*part.place)
                log.error(
                    "partition paused until `standing dead-letters accept`; no deadline is enforced meanwhile",
                    topic=part.place[0],
                    partition=part.place[1],
                    why=why,
                )

    # -- partitions of mostly dead letters -----------------------------------------------------------------

    def _before_limit(self, part: Part, now: Instant) -> Part:
        """The part up to the record after which its partition must rest; the same part where there is none."""
        batch = part.batch
        count = self.limiter.readable(Taken(part.place, batch.records, part.said.rejected))
        if count is None or count == len(batch.records):
            return part
        records, said = batch.records[:count], Batch()
        read = self.decoder.decode(batch.topic, records, said, now)
        return Part(replace(batch, records=records, next_offset=records[-1].offset + 1), said, read)

    async def _let_accepted_go_on(self) -> None:
        paused = self.limiter.paused()
        if not paused:
            return
        async with self._writing:
            places = [place for place in paused if self.complete.next_offset(place) is not None]
            self.limiter.claimed(places, await self.store.dead_letter_windows(places))
            for place in places:
                if place not in self.limiter.paused():
                    log.info("partition goes on: its dead letters were accepted", topic=place[0], partition=place[1])
                    if place not in self.cases:
                        self.intake.resume(*place)

    # -- cases that wait for the registry ------------------------------------------------------------------

    def _before_case(self, part: Part) -> Part:
        """The part up to the first case that has to wait for the registry; the same part where there is none."""
        if part.batch.topic != CASES:
            return part
        offsets = [fact.record.offset for facts in part.said.facts.values() for fact in facts]
        if (offset := self.cases.first(part.place, offsets)) is None:
            return part
        covers = max(part.batch.next_offset, self.intake.decided_until(*part.place))
        self.cases.wait(part.place, offset, covers)
        self.intake.pause(*part.place)
        self._case_began_to_wait.set()
        return part.before(offset)

    async def _waiting_cases(self, stop: asyncio.Event) -> None:
        backoff = Backoff(TRIES, self.vitals.failed)
        while not stop.is_set():
            self.vitals.turned("waiting cases")
            with suppress(TimeoutError):
                seconds = WAITING_SECONDS if self.cases.are_told else HEARTBEAT_SECONDS
                async with asyncio.timeout(seconds):
                    await self._case_began_to_wait.wait()
            self._case_began_to_wait.clear()
            await try_once(self._let_cases_go_on, backoff, (*TRANSIENT, *KAFKA_TRANSIENT))

    async def _let_cases_go_on(self) -> None:
        for place in await self.cases.gone_on():
            if place not in self.limiter.paused():
                self.intake.resume(*place)

    # -- heartbeats: proving what is complete --------------------------------------------------------------

    async def _heartbeats(self, stop: asyncio.Event) -> None:
        backoff = Backoff(TRIES, self.vitals.failed)
        while not stop.is_set():
            self.vitals.turned("heartbeats")
            try:
                await try_once(partial(self._beat, stop), backoff, (*TRANSIENT, *KAFKA_TRANSIENT))
            except LostOwnership as error:
                log.warning("partitions are claimed anew", why=str(error))
                await backoff.failed(error)
                await try_once(
                    self.intake.reclaim, Backoff(TRIES, self.vitals.failed), (*TRANSIENT, *KAFKA_TRANSIENT)
                )

    async def _beat(self, stop: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await stop.wait()
        await self._heartbeat()

    async def _heartbeat(self) -> None:
        """Prove where the ends are, and move idle partitions up to them.

        The order is the proof: the present is read, and only then are the brokers asked.
        """
        await self._let_accepted_go_on()
        present = await self.present.now()
        self.vitals.answered("database")
        if present is None or not self.complete:
            return
        await self._compare_partitions(present)
        ends = await self.intake.ends()
        self.vitals.answered("kafka")
        async with self._writing:
            self.complete.ends_seen(ends, present)
            resting = self.limiter.paused()
            idle = [each for each in self.complete.idle_moves() if each[:2] not in resting]
            if idle:
                moves = [Move(self.complete.position(each[:2]), each) for each in idle]
                await self.enforcement.process_batch(Batch(), moves)
                self.complete.committed(idle)
                await self.store.notify_watermark()

    async def _compare_partitions(self, present: Instant) -> None:
        """Deadlines are only enforced while the brokers have just the partitions that were set up."""
        counts = await self.intake.partition_counts()
        wrong = [f"{topic} has {count}" for topic, count in counts.items() if count != self.input_partitions]
        why = f"{', '.join(wrong)} partitions, but {self.input_partitions} were set up" if wrong else ""
        if why and why != self._partitions_changed:  # once, not with each heartbeat
            log.error("no deadline is enforced", why=why)
        self._partitions_changed = why
        if not wrong:
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
        metrics.clear(names.HALTED_BY)
        for (topic, partition), error in self.intake.halted_by.items():
            metrics.set(names.HALTED_BY, 1, topic=topic, partition=str(partition), error=error)
        metrics.set(names.CASES_WAITING, len(self.cases))
