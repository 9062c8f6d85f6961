"""The ingest worker: reads the input topics and takes batches in, one transaction each.

Owns which records of a fetch may be taken in now (a case waits for the registry), and how far the inputs are
known to be complete. The invariant: a position moves only from where its batch was fetched, in the
transaction that writes what followed from it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from workers.codec.batch import Batch
from workers.codec.decoding import CaseLimit, Decoder
from workers.enforcement.road import Enforcement
from workers.kafka.consumer import Intake, PartitionBatch
from workers.ops.clock import Clock
from workers.rules.calendar import Instant
from workers.store.postgres import Store
from workers.store.records import Advance, Position

log = structlog.get_logger()

Partition = tuple[str, int]

HEARTBEAT_SECONDS = 0.25
"""How often an idle worker proves that it has read to the end; deadlines are late by this much at most."""
WAITING_HEARTBEAT_SECONDS = 0.02
"""The same while a case waits for the registry."""
COMPARE_SECONDS = 1.0
"""How often the brokers' partition counts are compared with `positions`."""


class PartitionsChanged(Exception):
    """A topic has another number of partitions than `standing setup` recorded."""


@dataclass(slots=True)
class Held:
    """A partition as this worker owns it: its row, and the end that was last proved."""

    position: Position
    end: int | None = None
    end_seen_at: Instant | None = None


@dataclass(slots=True)
class Ingest:
    """One ingest worker; the intake calls `claim`, `revoked` and `handle`."""

    store: Store
    enforcement: Enforcement
    decoder: Decoder
    intake: Intake
    clock: Clock
    owner: str
    events_clock: bool
    input_partitions: int
    held: dict[Partition, Held] = field(default_factory=dict)
    waiting: dict[Partition, tuple[int, Instant]] = field(default_factory=dict)
    """Cases that wait: offset, and the instant up to which the registry must be complete first."""
    cleared: dict[Partition, int] = field(default_factory=dict)
    """The offset of the last case that waited long enough, by partition."""
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _compared_at: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set; raises where the worker must be started anew."""
        async with asyncio.TaskGroup() as tasks:
            heartbeat = tasks.create_task(self._heartbeats())
            await self.intake.run(self, stop)
            heartbeat.cancel()

    # -- what the intake calls -----------------------------------------------------------------------------

    async def claim(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Take partitions over; what an older owner still holds can no longer be written."""
        async with self._committing:
            for position in await self.store.claim_positions(partitions, self.owner):
                self.held[position.topic, position.partition] = Held(position)
                self.waiting.pop((position.topic, position.partition), None)
            return {each: self.held[each].position.next_offset for each in partitions}

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget partitions that another worker takes over."""
        async with self._committing:
            for each in partitions:
                self.held.pop(each, None)
                self.waiting.pop(each, None)

    async def handle(self, batch: Sequence[PartitionBatch]) -> Mapping[Partition, int]:
        """Take a fetch in; returns the partitions to take back to an earlier offset, for a case that waits."""
        now = self.clock.wall()
        decoded = Batch()
        advances: list[Advance] = []
        taken_back: dict[Partition, int] = {}
        async with self._committing:
            for part in batch:
                place = (part.topic, part.partition)
                if place not in self.held:
                    continue  # revoked meanwhile: its new owner reads it again
                limit = await self._case_limit(place)
                read = self.decoder.decode(part.topic, part.records, decoded, now, limit)
                position = self.held[place].position
                next_offset = part.next_offset
                if read.waits is not None:
                    next_offset = taken_back[place] = read.waits[0]
                    self._wait(place, *read.waits, now)
                span = (part.fetched_from, next_offset)
                advances.append(self._advance(position, span, read.latest, read.stamp, now))
            if advances:
                await self.enforcement.take_in(advances, decoded)
                self._moved(advances)
        return taken_back

    # -- how far the inputs are complete -------------------------------------------------------------------

    def _advance(
        self,
        position: Position,
        span: tuple[int, int],
        latest: Instant | None,
        stamp: Instant | None,
        now: Instant,
    ) -> Advance:
        """A position's move. At a proved end it is complete up to the present as read before the proof;
        else up to the smaller of the last record's timestamp and the latest instant read, never the future.
        """
        fetched_from, next_offset = span
        latest = _later(position.latest_occurred_at, latest)
        held = self.held[position.topic, position.partition]
        if held.end is not None and next_offset >= held.end:
            complete = held.end_seen_at
        elif stamp is not None and latest is not None:
            complete = min(stamp, latest, now)
        else:
            complete = None
        return Advance(
            position.topic, position.partition, fetched_from, next_offset, position.epoch, complete, latest
        )

    def _moved(self, advances: Sequence[Advance]) -> None:
        """Remember what was committed."""
        for each in advances:
            held = self.held[each.topic, each.partition]
            held.position = held.position._replace(
                next_offset=each.next_offset,
                complete_until=_later(held.position.complete_until, each.complete_until),
                latest_occurred_at=each.latest_occurred_at,
            )

    async def _registry_read_until(self) -> Instant | None:
        """Up to when every partition of the registry is known to have been read; None where one is not."""
        found = [each.complete_until for each in await self.store.positions() if each.topic == "seller-accounts"]
        return None if None in found else min(each for each in found if each is not None)

    async def _case_limit(self, place: Partition) -> CaseLimit | None:
        """Which cases of a partition may be taken in: a case waits for the registry."""
        if place[0] != "complaints":
            return None
        return CaseLimit(await self._registry_read_until(), self.cleared.get(place))

    def _wait(self, place: Partition, offset: int, case_at: Instant, now: Instant) -> None:
        """A case waits until the registry was read up to it, or, if it is ahead of the clock, up to now."""
        self.waiting[place] = (offset, case_at if self.events_clock else min(case_at, now))
        self._wake.set()

    async def _heartbeats(self) -> None:
        while True:
            pause = WAITING_HEARTBEAT_SECONDS if self.waiting else HEARTBEAT_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()
            if self.held:
                await self._heartbeat()

    async def _heartbeat(self) -> None:
        """Prove where the ends are, move idle partitions up to them, and let cases go on."""
        present = await self._present()
        await self._compare_partitions(present)
        ends = await self.intake.ends()
        async with self._committing:
            for place, end in ends.items():
                if place in self.held and present is not None:
                    self.held[place].end, self.held[place].end_seen_at = end, present
            await self._move_idle()
        await self._let_cases_go_on()

    async def _present(self) -> Instant | None:
        """The present: the wall clock, or the latest instant read from any topic."""
        if not self.events_clock:
            return self.clock.wall()
        instants = [each.latest_occurred_at for each in await self.store.positions()]
        return max((each for each in instants if each is not None), default=None)

    async def _move_idle(self) -> None:
        """Commit, for partitions read to their proved end, up to when they are complete."""
        reached = self.intake.positions()
        advances = []
        for place, held in self.held.items():
            position = held.position
            at = reached.get(place)
            if at is None or held.end is None or at < held.end or at < position.next_offset:
                continue
            if at == position.next_offset and position.complete_until == held.end_seen_at:
                continue
            advances.append(self._advance(position, (position.next_offset, at), None, None, 0))
        if advances:
            await self.enforcement.take_in(advances, Batch())
            self._moved(advances)
            await self.store.notify_horizon()

    async def _compare_partitions(self, present: Instant | None) -> None:
        """Silence is only judged while the brokers have just the partitions that `positions` knows of."""
        now = asyncio.get_running_loop().time()
        if present is None or now - self._compared_at < COMPARE_SECONDS:
            return
        counts = await self.intake.partition_counts()
        wrong = {topic: count for topic, count in counts.items() if count != self.input_partitions}
        if wrong:
            raise PartitionsChanged(
                f"{wrong} partitions found, {self.input_partitions} recorded by `standing setup`; "
                "silence is not enforced until they agree"
            )
        await self.store.compared_partitions(present)
        self._compared_at = now

    async def _let_cases_go_on(self) -> None:
        if not self.waiting:
            return
        until = await self._registry_read_until()
        for place, (offset, needed) in list(self.waiting.items()):
            if until is not None and until >= needed:
                self.cleared[place] = offset
                del self.waiting[place]
                self.intake.resume(*place)


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
