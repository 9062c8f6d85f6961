"""What the intake hands over, and to whom: batches of one partition each, and who takes them in.

Owns the contract between the two and no code. The invariant: a batch was fetched from exactly where it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.kafka.fetched_records import FetchedRecord

Partition = tuple[str, int]
"""A topic without the prefix, and the number of a partition."""


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """Records of one partition, fetched from exactly `fetched_from`; `next_offset` follows the last one.

    Offsets have gaps (compaction, markers of transactions), so a batch may move the position without records.
    """

    topic: str
    partition: int
    fetched_from: int
    next_offset: int
    records: Sequence[FetchedRecord]


class Handler(Protocol):
    """What the intake calls. `decode` runs while the batch before is being committed, and gives way to that."""

    async def claim(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Own partitions from now on; returns the stored next offset of each that was set up."""
        ...

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget partitions."""
        ...

    async def decode(self, batch: Sequence[PartitionBatch]) -> Any:
        """Decode a batch."""
        ...

    async def commit(self, decoded: Any) -> Mapping[Partition, int]:
        """Take a decoded batch in; returns the partitions to take back to an earlier offset."""
        ...
