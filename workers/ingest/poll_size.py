"""How many records a poll takes: few while units of work are slow or little waits, many while a backlog waits.

A large batch costs less for each record: an account that is in it several times is updated once. The invariant: a
unit of work that takes longer than LONGEST_SECONDS makes the next ones smaller.
"""

from dataclasses import dataclass, field

FIRST = 5000
LONGEST_SECONDS = 0.5
"""So long may a unit of work hold its accounts."""


@dataclass(slots=True)
class PollSize:
    """The limit of the next poll; `most` is STANDING_BATCH_SIZE."""

    most: int
    records: int = field(init=False)
    _was_full: bool = False

    def __post_init__(self) -> None:
        self.records = min(FIRST, self.most)

    def polled(self, records: int) -> None:
        """A poll gave so many."""
        self._was_full = records >= self.records

    def worked(self, seconds: float) -> None:
        """A unit of work took so long."""
        if seconds > LONGEST_SECONDS:
            self.records = max(self.records // 2, min(FIRST // 10, self.most))
        elif self._was_full and seconds < LONGEST_SECONDS / 2:
            self.records = min(self.records * 2, self.most)
