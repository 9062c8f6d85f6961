"""The dead-letter window of a partition, and the limits at which the partition is paused.

Owns the limits and the counting; a window is stored in the transaction of the batch it counts. The invariant: however
records are batched, the record at which a limit is reached is the last one that is processed.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from contracts.topics import Partition
from workers.codec.messages import Record
from workers.store.records import DeadLetterWindowRow

WINDOW = 1000
MOST_IN_WINDOW = 50
"""Five in a hundred of the window."""
MOST_IN_A_ROW = 99


@dataclass(frozen=True, slots=True)
class DeadLetterWindow:
    """How many records were counted since the start or the last accept, and which of the newest are dead letters."""

    counted: int = 0
    dead: tuple[int, ...] = ()
    """Of the last 1,000 records those that are dead letters, as numbers from 1 to `counted`."""
    accepted_until: int = 0
    """Records before this offset do not count."""
    paused: str | None = None
    """Why the partition is paused."""

    @classmethod
    def of(cls, row: DeadLetterWindowRow) -> "DeadLetterWindow":
        """The window that is stored in a row."""
        return cls(row.counted, tuple(json.loads(row.dead)), row.accepted_until, row.paused)

    def row(self, place: Partition) -> DeadLetterWindowRow:
        """The row that stores this window."""
        return DeadLetterWindowRow(*place, self.counted, json.dumps(self.dead), self.accepted_until, self.paused)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing that a successor must know."""
        return not self.dead and self.paused is None

    def after(self, records: Sequence[Record], dead: Iterable[int]) -> "DeadLetterWindow":
        """The window after records of which those at the offsets `dead` are dead letters.

        Where a limit is reached, it is the window of that moment, and paused.
        """
        return self._after(records, dead)[0]

    def limit(self, records: Sequence[Record], dead: Iterable[int]) -> int | None:
        """How many of the records are read when a limit is reached; None where none is."""
        return self._after(records, dead)[1]

    def _after(self, records: Sequence[Record], dead: Iterable[int]) -> tuple["DeadLetterWindow", int | None]:
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

    def _at(self, number: int, known: Sequence[int], paused: str | None) -> "DeadLetterWindow":
        first, end = bisect_right(known, number - WINDOW), bisect_right(known, number)
        return DeadLetterWindow(number, tuple(known[first:end]), self.accepted_until, paused)


def _offset(record: Record) -> int:
    return record.offset


def _why(known: Sequence[int], number: int) -> str | None:
    """Why the partition is paused after the record of this number; `known` are the dead letters up to it."""
    if len(known) > MOST_IN_A_ROW and known[-MOST_IN_A_ROW - 1] == number - MOST_IN_A_ROW:
        return f"{MOST_IN_A_ROW + 1} dead letters in a row"
    recent = len(known) - bisect_right(known, number - WINDOW)
    if number >= WINDOW and recent > MOST_IN_WINDOW:
        return f"{recent} dead letters in {WINDOW:,} records"
    return None
