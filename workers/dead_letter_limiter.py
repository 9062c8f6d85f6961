"""A partition whose records are mostly dead letters rests until an operator says otherwise (RELIABILITY rule 8).

Owns the limits, the counting, and the counts of the partitions this worker owns. Nothing is read or written
here: a count is stored in the transaction of the batch it counts. The invariant: the record at which a limit is
reached is the last one of its partition that is taken in.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from workers.codec.batch import Rejected
from workers.codec.messages import Record
from workers.store.records import DeadLetterWindowRow

Partition = tuple[str, int]

WINDOW = 1000
MOST_IN_WINDOW = 50
"""Five in a hundred of the window."""
MOST_IN_A_ROW = 99


@dataclass(frozen=True, slots=True)
class Count:
    """What counts of one partition: how many records since its start or the last accept, and which were bad."""

    counted: int = 0
    dead: tuple[int, ...] = ()
    """Of the last 1,000 records those that are dead letters, as numbers from 1 to `counted`."""
    accepted_until: int = 0
    """Records before this offset do not count."""
    paused: str | None = None

    def after(self, records: Sequence[Record], dead: Iterable[int]) -> tuple["Count", int | None]:
        """The count after records of which those at the offsets `dead` are dead letters; and, where a limit is
        reached, how many of the records were read by then: the count is that of this moment.
        """
        skipped = bisect_left(records, self.accepted_until, key=_offset) if self.accepted_until else 0
        counted = self.counted + len(records) - skipped
        places = (bisect_left(records, offset, key=_offset) for offset in dead)
        new = sorted({self.counted + 1 + place - skipped for place in places if place >= skipped})
        known = [*self.dead, *new]
        if not known:
            return replace(self, counted=counted), None
        filled = [WINDOW] if self.counted < WINDOW <= counted else []
        for number in sorted({*new, *filled}):
            why = _why(known[: bisect_right(known, number)], number)
            if why is not None:
                read = skipped + number - self.counted
                paused = f"{why}, up to offset {records[read - 1].offset}"
                return self._at(number, known, paused), read
        return self._at(counted, known, None), None

    def _at(self, number: int, known: Sequence[int], paused: str | None) -> "Count":
        first, end = bisect_right(known, number - WINDOW), bisect_right(known, number)
        return Count(number, tuple(known[first:end]), self.accepted_until, paused)

    @property
    def clean(self) -> bool:
        """Whether there is nothing a successor would have to know."""
        return not self.dead and self.paused is None


def _offset(record: Record) -> int:
    return record.offset


def _why(known: Sequence[int], number: int) -> str | None:
    """Why the partition rests after the record of this number; `known` are the dead letters up to it."""
    if len(known) > MOST_IN_A_ROW and known[-MOST_IN_A_ROW - 1] == number - MOST_IN_A_ROW:
        return f"{MOST_IN_A_ROW + 1} dead letters in a row"
    recent = len(known) - bisect_right(known, number - WINDOW)
    if number >= WINDOW and recent > MOST_IN_WINDOW:
        return f"{recent} dead letters in {WINDOW:,} records"
    return None


@dataclass(frozen=True, slots=True)
class Taken:
    """Records of one partition that are taken in, with those of them that could not be read."""

    place: Partition
    records: Sequence[Record]
    rejected: Sequence[Rejected]


@dataclass(slots=True)
class DeadLetterLimiter:
    """The counts of the partitions that this worker owns."""

    _counts: dict[Partition, Count] = field(default_factory=dict)

    def claimed(self, partitions: Iterable[Partition], rows: Iterable[DeadLetterWindowRow]) -> None:
        """These are owned from now on; what a former owner counted goes on."""
        for place in partitions:
            self._counts[place] = Count()
        for row in rows:
            self._counts[row.topic, row.partition] = _count(row)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are owned no longer."""
        for place in partitions:
            self._counts.pop(place, None)

    def paused(self) -> dict[Partition, str]:
        """The partitions that rest, and why."""
        return {place: count.paused for place, count in self._counts.items() if count.paused is not None}

    def readable(self, taken: Taken) -> int | None:
        """After how many of the records the partition must rest, by those that cannot be read; None: it goes on."""
        return self._counts[taken.place].after(taken.records, _offsets(taken.rejected))[1]

    def window(self, taken: Taken, refused: Sequence[Rejected]) -> DeadLetterWindowRow | None:
        """The row to store, given the records that were refused beside what was read before; None for a clean count.

        Conflicting duplicates count: an upstream that gives out its ids anew shows there. Too many requests do
        not: one seller could halt a partition for all others.
        """
        before = self._counts[taken.place]
        conflicts = [each.record.offset for each in refused if each.reason == "conflicting_duplicate"]
        count = before.after(taken.records, _offsets(taken.rejected) + conflicts)[0]
        return None if count.clean and before.clean else _row(taken.place, count)

    def committed(self, taken: Taken, window: DeadLetterWindowRow | None) -> str | None:
        """The records were committed with this row; returns why the partition rests from now on, where it does."""
        clean = self._counts[taken.place].after(taken.records, ())[0]
        count = self._counts[taken.place] = clean if window is None else _count(window)
        return count.paused


def _offsets(rejected: Sequence[Rejected]) -> list[int]:
    return [each.record.offset for each in rejected]


def _row(place: Partition, count: Count) -> DeadLetterWindowRow:
    return DeadLetterWindowRow(*place, count.counted, json.dumps(count.dead), count.accepted_until, count.paused)


def _count(row: DeadLetterWindowRow) -> Count:
    return Count(row.counted, tuple(json.loads(row.dead)), row.accepted_until, row.paused)
