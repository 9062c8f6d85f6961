"""Who is told what happens to the consumer of the input topics."""

from collections.abc import Collection
from typing import Protocol

from contracts.topics import Partition


class ConsumerListener(Protocol):
    """Who is told what happens to the consumer; partitions are named without the prefix."""

    async def assigned(self, places: Collection[Partition]) -> None:
        """These partitions, and no others, are this consumer's; they must be given their positions."""
        ...

    async def revoked(self) -> None:
        """No partition is this consumer's any more."""
        ...

    def fetch_answered(self, place: Partition, offset: int, error: str | None, is_empty: bool) -> None:
        """A broker answered a fetch of a partition from an offset."""
        ...

    def fetch_failed(self, place: Partition, name: str, why: str) -> None:
        """A partition cannot be fetched from; `name` is Kafka's for the error."""
        ...

    def position_lost(self, place: Partition, name: str, why: str) -> None:
        """The position of a partition is not one of its topic."""
        ...

    def topic_recreated(self, topic: str) -> None:
        """A topic is not the one that was set up."""
        ...

    def is_halted(self, topic: str) -> bool:
        """Whether a partition of the topic is known to be unreadable."""
        ...

    def failed(self, error: BaseException) -> None:
        """The consumer cannot go on."""
        ...
