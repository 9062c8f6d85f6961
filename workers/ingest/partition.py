"""One partition that this worker owns: a pure state machine from its claim to its end.

Owns all that a worker knows of a partition. It takes events and says what the consumer must do; it does no I/O,
awaits nothing and reads no clock. The invariant: the stored position only moves by what `committed` is told, and a
batch is accepted only where it was fetched from exactly that position in this epoch.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.topics import Partition
from workers.codec.decoding import Read
from workers.codec.messages import Record
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.fetch_failure import FetchFailure
from workers.ingest.transitions import Cause, Causes, Event, State, after, initial, may_fetch, state_of
from workers.rules.calendar import Instant, latest_of
from workers.store.records import Position


class Seek(NamedTuple):
    """Fetch from this offset next."""

    offset: int


class Pause(NamedTuple):
    """Stop fetching."""


class Resume(NamedTuple):
    """Fetch again."""


Action = Seek | Pause | Resume


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """Records of one partition, fetched from exactly `fetched_from`; `next_offset` follows the last one.

    Offsets have gaps (compaction, markers of transactions), so a batch may move the position without records.
    """

    topic: str
    partition: int
    epoch: int
    fetched_from: int
    next_offset: int
    records: Sequence[Record]
    decided_until: int = 0
    """The offset before which all could be read when it was fetched."""

    @property
    def place(self) -> Partition:
        return (self.topic, self.partition)


@dataclass(slots=True)
class RegistryWait:
    """What a waiting case waits for. All cases before `covers` were read before the registry's ends are asked for."""

    covers: int
    targets: Mapping[int, int] | None = None
    """The offset that each partition of the registry must reach; None until the brokers said."""

    def is_over(self, read: Mapping[int, int]) -> bool:
        """Whether the stored positions of the registry have reached all targets."""
        return self.targets is not None and all(read.get(number, -1) >= end for number, end in self.targets.items())


@dataclass(slots=True)
class OwnedPartition:
    """One partition from its claim until it is revoked or claimed again."""

    position: Position
    """As it is stored."""
    window: DeadLetterWindow = field(default_factory=DeadLetterWindow)
    fetch_offset: int = field(init=False)
    """The next offset to fetch; beyond the stored one by what is being processed."""
    causes: Causes = field(init=False)
    wait: RegistryWait | None = None
    failure: FetchFailure | None = None
    lost: str | None = None
    """Kafka's name for why the position is lost."""
    cleared_until: int = 0
    """No case before this offset has to wait for the registry any more."""
    end: int | None = None
    """The high watermark last seen, by a request sent after the present `asked_after` was read."""
    asked_after: Instant | None = None

    def __post_init__(self) -> None:
        self.fetch_offset = self.position.next_offset
        self.causes = initial(is_paused=self.window.paused is not None)

    @property
    def state(self) -> State:
        return state_of(self.causes)

    @property
    def next_offset(self) -> int:
        """The stored one."""
        return self.position.next_offset

    @property
    def is_readable(self) -> bool:
        """Whether neither its position is lost nor its last fetch failed."""
        return self.state is not State.HALTED_UNREADABLE

    @property
    def is_paused(self) -> bool:
        """Whether its dead letters pause it, whatever else keeps it."""
        return Cause.DEAD_LETTERS in self.causes

    def actions(self, position: int | None, paused: bool) -> list[Action]:
        """What makes a consumer that is at `position`, and paused or not, do what this partition needs."""
        found: list[Action] = [] if position == self.fetch_offset else [Seek(self.fetch_offset)]
        if paused is may_fetch(self.causes):
            found.append(Resume() if paused else Pause())
        return found

    # -- fetches -------------------------------------------------------------------------------------------

    def fetched(
        self, asked_from: int, reached: int | None, records: Sequence[Record], decided_until: int = 0
    ) -> PartitionBatch | None:
        """A poll that began at `asked_from` left the consumer at `reached`; the batch, if it is one to process.

        What began elsewhere, because the partition was taken back meanwhile, is dropped.
        """
        if reached in (None, asked_from) or asked_from != self.fetch_offset:
            return None
        if records and records[0].offset < asked_from:
            return None
        assert reached is not None
        self.fetch_offset = reached
        self.fetch_succeeded()
        topic, number, _, epoch, *_ = self.position
        return PartitionBatch(topic, number, epoch, asked_from, reached, records, decided_until)

    def fetch_failed(self, name: str, now: float) -> None:
        """A fetch failed with Kafka's error of this name, at `now` in seconds of any steady clock."""
        self.failure = FetchFailure.first(name, now) if self.failure is None else self.failure.again(name, now)
        self.causes = after(self.causes, Event.FETCH_FAILED)

    def is_due(self, now: float) -> bool:
        """Whether a failed fetch is to be tried again."""
        return Cause.BACKING_OFF in self.causes and self.failure is not None and self.failure.retry_at <= now

    def retry(self) -> None:
        """Try the failed fetch again."""
        self.causes = after(self.causes, Event.RETRY_DUE)

    def fetch_succeeded(self) -> None:
        """A fetch did not fail."""
        self.failure = None
        self.causes = after(self.causes, Event.FETCH_SUCCEEDED)

    def position_lost(self, name: str) -> None:
        """The stored position is not one of the topic as it is now; `name` is Kafka's for why."""
        self.lost = name
        self.causes = after(self.causes, Event.POSITION_LOST)

    @property
    def halted_by(self) -> str | None:
        """Kafka's name for why an operator must look; None also for an error that may still pass by itself."""
        if self.lost is not None:
            return self.lost
        return self.failure.name if self.failure is not None and self.failure.is_lasting else None

    # -- batches -------------------------------------------------------------------------------------------

    def accepts(self, batch: PartitionBatch) -> bool:
        """Whether a batch begins at the stored position and may be processed; else what is fetched is fetched again
        from there. A batch of another epoch changes nothing.
        """
        if batch.epoch != self.position.epoch:
            return False
        if batch.fetched_from == self.next_offset and not self.is_paused:
            return True
        self.fetch_offset = self.next_offset
        return False

    def cut(self, offset: int) -> None:
        """A batch is processed up to this offset only: fetch again from there."""
        self.fetch_offset = offset

    def advance(self, next_offset: int, read: Read, now: Instant) -> Position:
        """The position behind what was read."""
        position = self.position
        latest = latest_of(position.latest_occurred_at, read.latest)
        watermark = self._proved(next_offset)
        if watermark is None and read.stamp is not None and latest is not None:
            watermark = min(read.stamp, latest, now)
        watermark = latest_of(position.watermark, watermark)
        return position._replace(next_offset=next_offset, watermark=watermark, latest_occurred_at=latest)

    def committed(self, position: Position, window: DeadLetterWindow) -> None:
        """The position was committed, with this window."""
        self.position = position
        self.window = window
        if window.paused is not None:
            self.causes = after(self.causes, Event.LIMIT_REACHED)

    def accepted(self, window: DeadLetterWindow) -> bool:
        """The stored window is this one now; whether an operator has accepted the dead letters."""
        self.window = window
        if window.paused is not None or not self.is_paused:
            return False
        self.causes = after(self.causes, Event.ACCEPTED)
        return True

    # -- cases that wait for the registry ------------------------------------------------------------------

    def first_to_wait(self, cases: Collection[int]) -> int | None:
        """The first of the cases at these offsets that has to wait for the registry."""
        return min((offset for offset in cases if offset >= self.cleared_until), default=None)

    def case_must_wait(self, covers: int) -> None:
        """A case waits. All cases before `covers` could be read before this call, so they wait together."""
        self.wait = RegistryWait(covers)
        self.causes = after(self.causes, Event.CASE_MUST_WAIT)

    def registry_reached(self) -> None:
        """The registry was read up to the cases that wait."""
        assert self.wait is not None
        self.cleared_until = self.wait.covers
        self.wait = None
        self.causes = after(self.causes, Event.REGISTRY_REACHED)

    # -- the watermark -------------------------------------------------------------------------------------

    def end_seen(self, end: int, present: Instant) -> None:
        """The high watermark, by a request sent after `present` was read."""
        self.end = end
        self.asked_after = present

    def idle_advance(self) -> Position | None:
        """A position that says only that the partition was read to its proved end; None where that is nothing new."""
        proved = self._proved(self.next_offset)
        if self.is_paused or proved in (None, self.position.watermark):
            return None
        return self.advance(self.next_offset, Read(), 0)

    @property
    def lag(self) -> int:
        """How many offsets the stored position is behind the end last seen."""
        return max(0, (self.end or 0) - self.next_offset)

    def _proved(self, next_offset: int) -> Instant | None:
        """Up to when everything is known to be read with this position; None where the end is not reached."""
        return self.asked_after if self.end is not None and next_offset >= self.end else None
