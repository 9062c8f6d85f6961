"""How a batch moves the positions of its partitions: what the ingest worker hands over with it.

Owns the contract between the two. Where a position goes can depend on what the unit of work finds out: a record that
is refused by what was read before it becomes a dead letter, which moves neither the clock nor the watermark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.codec.batch import Rejected
from workers.store.records import DeadLetterWindowRow, Position


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's position before and after a batch, and its dead-letter window where that is to be stored."""

    before: Position
    after: Position
    window: DeadLetterWindowRow | None = None

    def given(self, refused: Sequence[Rejected]) -> "Move":
        """The move itself: it was known beforehand."""
        return self


class PendingMove(Protocol):
    """A move that depends on which records of the batch are refused."""

    @property
    def before(self) -> Position:
        """The position as the ingest worker knows it: the batch was fetched from exactly there."""
        ...

    def given(self, refused: Sequence[Rejected]) -> Move:
        """The move of the position, given the partition's records that are refused by what was read before them.

        A pure function: a transaction that is tried again asks again.
        """
        ...
