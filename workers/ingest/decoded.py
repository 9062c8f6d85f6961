"""A decoded batch of one partition, and where it is cut.

Owns no state. The invariant: a cut batch says exactly what its remaining records say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.codec.batch import Batch, Rejected
from workers.codec.decoding import Read, keep_before, read_of
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.partition import PartitionBatch


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one partition's records say."""

    batch: PartitionBatch
    said: Batch
    read: Read
    """What they say of time."""

    def until(self, count: int, said: Batch, read: Read) -> "Decoded":
        """The first `count` records, decoded again."""
        records = self.batch.records[:count]
        return Decoded(replace(self.batch, records=records, next_offset=records[-1].offset + 1), said, read)

    def before(self, offset: int) -> "Decoded":
        """The records before a fact, which is read again later. What the others say is dropped."""
        keep_before(self.said, offset)
        records = [each for each in self.batch.records if each.offset < offset]
        return Decoded(replace(self.batch, records=records, next_offset=offset), self.said, read_of(self.said))

    def fact_offsets(self) -> list[int]:
        """The offsets of the facts."""
        return [fact.record.offset for facts in self.said.facts.values() for fact in facts]

    def unreadable(self) -> list[int]:
        """The offsets of the records that cannot be read."""
        return [each.record.offset for each in self.said.rejected]

    def read_without(self, refused: Sequence[Rejected]) -> Read:
        """What the records say of time, without those that were refused."""
        return read_of(self.said, {each.record.offset for each in refused}) if refused else self.read

    def window_after(self, window: DeadLetterWindow, refused: Sequence[Rejected]) -> DeadLetterWindow:
        """The dead-letter window after these records, some of which the unit of work `refused`.

        Conflicting duplicates count: an upstream that gives out its ids twice shows there. Too many requests do not:
        one seller could pause a partition for all others.
        """
        conflicts = [each.record.offset for each in refused if each.reason == "conflicting_duplicate"]
        return window.after(self.batch.records, self.unreadable() + conflicts)
