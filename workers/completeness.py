"""How far the inputs are known to be complete: the proof that the horizon rests on.

Owns this worker's positions in memory and the arithmetic of `complete_until`. At the end of a partition, behind
which no transaction is open, it is the present as read before the request whose answer showed the end; elsewhere the
smaller of the last record's timestamp and the latest `occurred_at` read; never beyond the clock, never smaller than
before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from workers.codec.decoding import Read
from workers.ops.clock import Clock
from workers.rules.calendar import Instant
from workers.store.postgres import Store
from workers.store.records import Advance, Position

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Present:
    """The present: the wall clock, or where histories are played the latest instant read from any topic."""

    clock: Clock
    store: Store
    events: bool

    async def now(self) -> Instant | None:
        """The present; None before anything was read."""
        if not self.events:
            return self.clock.wall()
        instants = [each.latest_occurred_at for each in await self.store.positions()]
        return max((each for each in instants if each is not None), default=None)

    def reached_by(self, at: Instant, wall: Instant) -> Instant:
        """When a fact of `at` that was read at `wall` is no longer ahead of the present."""
        return at if self.events else min(at, wall)


@dataclass(slots=True)
class _Owned:
    position: Position
    end: int | None = None
    end_seen_at: Instant | None = None
    """None too where a transaction was open behind the end."""


class Completeness:
    """The partitions this worker owns."""

    def __init__(self) -> None:
        self._owned: dict[Partition, _Owned] = {}

    def __bool__(self) -> bool:
        return bool(self._owned)

    def claimed(self, positions: Iterable[Position]) -> None:
        """These are owned from now on."""
        for each in positions:
            self._owned[each.topic, each.partition] = _Owned(each)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are owned no longer."""
        for place in partitions:
            self._owned.pop(place, None)

    def next_offset(self, place: Partition) -> int | None:
        """The stored next offset; None where the partition is not owned."""
        owned = self._owned.get(place)
        return None if owned is None else owned.position.next_offset

    def advance(self, place: Partition, next_offset: int, read: Read, now: Instant) -> Advance:
        """The move of a position over what was read."""
        owned = self._owned[place]
        latest = _later(owned.position.latest_occurred_at, read.latest)
        if owned.end is not None and owned.end_seen_at is not None and next_offset >= owned.end:
            complete = owned.end_seen_at
        elif read.stamp is not None and latest is not None:
            complete = min(read.stamp, latest, now)
        else:
            complete = None
        position = owned.position
        return Advance(*place, position.next_offset, next_offset, position.epoch, complete, latest)

    def committed(self, advances: Sequence[Advance]) -> None:
        """These moves were committed."""
        for each in advances:
            owned = self._owned[each.topic, each.partition]
            owned.position = owned.position._replace(
                next_offset=each.next_offset,
                complete_until=_later(owned.position.complete_until, each.complete_until),
                latest_occurred_at=each.latest_occurred_at,
            )

    def ends_seen(self, ends: Mapping[Partition, int], present: Instant, unsettled: Collection[Partition]) -> None:
        """The partitions ended there, by requests sent after `present` was read; the end of one that was `unsettled`
        proves nothing.
        """
        for place, end in ends.items():
            if place in self._owned:
                self._owned[place].end = end
                self._owned[place].end_seen_at = None if place in unsettled else present

    def lags(self) -> dict[Partition, int]:
        """How many records each partition is behind the end last seen."""
        return {place: max(0, (owned.end or 0) - owned.position.next_offset) for place, owned in self._owned.items()}

    def idle_advances(self) -> list[Advance]:
        """Moves that only say that a partition was read to its proved end."""
        return [
            self.advance(place, owned.position.next_offset, Read(), 0)
            for place, owned in self._owned.items()
            if owned.end is not None
            and owned.position.next_offset >= owned.end
            and owned.end_seen_at not in (None, owned.position.complete_until)
        ]


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
