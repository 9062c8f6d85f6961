"""The heartbeat of an ingest worker: it proves how far the inputs are complete, and moves idle partitions there.

Owns the order of the proof (docs/decisions/0014): the present is read, and only then are the brokers asked where the
partitions end. It also sees that an operator has accepted dead letters.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.topics import Partition
from workers.codec.batch import Batch
from workers.enforcement.position_moves import Move
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.processing import Processing
from workers.ops.clock import Clock
from workers.ops.logs import Log
from workers.rules.calendar import Instant
from workers.store.protocols import InputPositions

log = Log()


class Brokers(Protocol):
    """What is asked of Kafka."""

    async def ends(self, read: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """The high watermarks of partitions that are read up to these offsets, by requests sent after this call."""
        ...

    async def partition_counts(self) -> Mapping[str, int]:
        """How many partitions the brokers have of each input topic, by a request sent after this call."""
        ...


@dataclass(frozen=True, slots=True)
class Present:
    """The present: the wall clock, or where histories are played the latest instant read from any topic."""

    clock: Clock
    store: InputPositions
    events: bool

    async def now(self) -> Instant | None:
        """The present; None before anything was read."""
        if not self.events:
            return self.clock.wall()
        instants = [each.latest_occurred_at for each in await self.store.positions()]
        return max((each for each in instants if each is not None), default=None)


@dataclass(slots=True)
class Heartbeat:
    """The heartbeat of one worker."""

    processing: Processing
    brokers: Brokers
    present: Present
    input_partitions: int
    align: Callable[[Collection[Partition]], None]
    """Has the consumer do what these partitions need."""
    _partitions_changed: str = ""
    """What was last said of topics with another number of partitions."""

    async def beat(self) -> None:
        """Prove where the ends are, and move idle partitions up to them."""
        processing, owned = self.processing, self.processing.owned
        await self._let_accepted_go_on()
        present = await self.present.now()
        processing.vitals.answered("database")
        if present is None or not owned:
            return
        await self._compare_partitions(present)
        ends = await self.brokers.ends({at: each.fetch_offset for at, each in owned.items() if each.is_readable})
        processing.vitals.answered("kafka")
        async with processing.writing:
            for place, end in ends.items():
                if place in owned:
                    owned[place].end_seen(end, present)
            after = [idle for each in owned.values() if (idle := each.idle_advance()) is not None]
            if after:
                moves = [Move(owned[each[:2]].position, each) for each in after]
                await processing.enforcement.process_batch(Batch(), moves)
                for each in after:
                    owned[each[:2]].committed(each, owned[each[:2]].window)
                await processing.store.notify_watermark()

    async def _let_accepted_go_on(self) -> None:
        """Go on with partitions whose dead letters an operator has accepted."""
        processing = self.processing
        if not any(each.is_paused for each in processing.owned.values()):
            return
        async with processing.writing:
            paused = [place for place, each in processing.owned.items() if each.is_paused]
            stored = {
                each[:2]: DeadLetterWindow.of(each) for each in await processing.store.dead_letter_windows(paused)
            }
            for place in paused:
                if processing.owned[place].accepted(stored.get(place, DeadLetterWindow())):
                    log.info("partition goes on: its dead letters were accepted", topic=place[0], partition=place[1])
        self.align(paused)

    async def _compare_partitions(self, present: Instant) -> None:
        """Deadlines are only enforced while the brokers have just the partitions that were set up."""
        counts = await self.brokers.partition_counts()
        wrong = [f"{topic} has {count}" for topic, count in counts.items() if count != self.input_partitions]
        why = f"{', '.join(wrong)} partitions, but {self.input_partitions} were set up" if wrong else ""
        if why and why != self._partitions_changed:  # once, not with each heartbeat
            log.error("no deadline is enforced", why=why)
        self._partitions_changed = why
        if not wrong:
            await self.processing.store.compared_partitions(present)
