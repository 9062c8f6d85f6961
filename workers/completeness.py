"""How far the inputs are known to be complete: the proof that the watermark rests on.

Owns this worker's positions in memory and the arithmetic of `watermark`. Where a position has reached the high
watermark of its partition, it is the present as read before the request that asked for that; elsewhere the smaller of
the last record's timestamp and the latest `occurred_at` read; never beyond the clock, never smaller than before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workers.codec.decoding import Read
from workers.ops.clock import Clock
from workers.rules.calendar import Instant
from workers.store.protocols import InputPositions
from workers.store.records import Position

Partition = tuple[str, int]


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
class _Owned:
    position: Position
    end: int | None = None
    """The high watermark last asked for, after the present `asked_after` was read."""
    asked_after: Instant | None = None

    def proved(self, next_offset: int) -> Instant | None:
        """Up to when all is known to be read with this position; None where its end was not reached."""
        return self.asked_after if self.end is not None and next_offset >= self.end else None


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

    def position(self, place: Partition) -> Position:
        """The position of an owned partition."""
        return self._owned[place].position

    def moved(self, place: Partition, next_offset: int, read: Read, now: Instant) -> Position:
        """The position over what was read."""
        owned = self._owned[place]
        latest = _later(owned.position.latest_occurred_at, read.latest)
        complete = owned.proved(next_offset)
        if complete is None and read.stamp is not None and latest is not None:
            complete = min(read.stamp, latest, now)
        return owned.position._replace(
            next_offset=next_offset,
            watermark=_later(owned.position.watermark, complete),
            latest_occurred_at=latest,
        )

    def committed(self, positions: Iterable[Position]) -> None:
        """These moves were committed."""
        for each in positions:
            self._owned[each.topic, each.partition].position = each

    def ends_seen(self, ends: Mapping[Partition, int], present: Instant) -> None:
        """These are the high watermarks, by requests sent after `present` was read."""
        for place, end in ends.items():
            if place in self._owned:
                self._owned[place].end = end
                self._owned[place].asked_after = present

    def lags(self) -> dict[Partition, int]:
        """How many records each partition is behind the end last seen."""
        return {place: max(0, (owned.end or 0) - owned.position.next_offset) for place, owned in self._owned.items()}

    def idle_moves(self) -> list[Position]:
        """Moves that only say that a partition was read to its proved end."""
        return [
            self.moved(place, owned.position.next_offset, Read(), 0)
            for place, owned in self._owned.items()
            if owned.proved(owned.position.next_offset) not in (None, owned.position.watermark)
        ]


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
