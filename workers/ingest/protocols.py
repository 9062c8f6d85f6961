"""What the loop of the ingest worker calls: who processes what is read, and the consumer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from contracts.topics import Partition
from workers.ingest.partition import OwnedPartition, PartitionBatch
from workers.kafka.consumer_listener import ConsumerListener


class Handler(Protocol):
    """Who owns partitions in the database and processes what is read."""

    owned: dict[Partition, OwnedPartition]

    async def claim(self, places: Sequence[Partition]) -> None:
        """Own partitions from now on: afterwards each that was set up is in `owned`, as a new object."""
        ...

    async def release(self, places: Sequence[Partition]) -> None:
        """Own these no longer."""
        ...

    async def decode(self, batches: Sequence[PartitionBatch]) -> Any:
        """Decode a fetch, giving way to the unit of work that is under way."""
        ...

    async def process(self, decoded: Any) -> None:
        """One unit of work: process what may be processed, in one transaction; `owned` says how far that was."""
        ...


class InputConsumer(Protocol):
    """What the loop asks of the consumer."""

    async def start(self, listener: ConsumerListener) -> None: ...

    async def stop(self, owned: int) -> None: ...

    async def poll(self, most: int, *, patiently: bool) -> Mapping[Partition, Sequence[Any]] | None:
        """What was fetched, at most so many records; None where some may be lost with an error: fetch them again.

        `patiently` where nothing but a fetch can give the loop something to do.
        """
        ...

    def assigned(self) -> Collection[Partition]: ...

    def position(self, place: Partition) -> int | None: ...

    def paused(self) -> Collection[Partition]: ...

    def seek(self, place: Partition, offset: int) -> None: ...

    def pause(self, place: Partition) -> None: ...

    def resume(self, place: Partition) -> None: ...

    def decided_until(self, place: Partition) -> int: ...

    def has_leader(self, place: Partition) -> bool: ...

    async def commit(self, offsets: Mapping[Partition, int]) -> None: ...

    async def recreated(self, topics: Iterable[str]) -> Collection[str]: ...
