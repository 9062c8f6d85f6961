"""Protocols of the store outside units of work, one for each user; `workers.store.postgres` implements them."""

from collections.abc import Sequence
from typing import Protocol

from contracts.topics import Partition
from workers.rules.calendar import Instant
from workers.store.records import DeadLetterWindowRow, LogRow, Position


class InputPositions(Protocol):
    """The positions of the input partitions, and their dead-letter windows."""

    async def positions(self) -> list[Position]:
        """Every input position."""
        ...

    async def position_owners(self, partitions: Sequence[Partition]) -> list[str]:
        """The owners that claimed the partitions last."""
        ...

    async def claim_positions(self, partitions: Sequence[Partition], owner: str) -> list[Position]:
        """Take partitions over from their present owner, under a new epoch."""
        ...

    async def dead_letter_windows(self, partitions: Sequence[Partition]) -> list[DeadLetterWindowRow]:
        """The dead-letter windows of partitions; a partition without dead letters has none."""
        ...

    async def compared_partitions(self, until: Instant) -> None:
        """Record that the brokers' partition counts agreed with the positions at `until`."""
        ...

    async def notify_watermark(self) -> None:
        """Wake the timers, because the watermark may have moved."""
        ...


class DecisionLog(Protocol):
    """What the relay needs of the decision log."""

    async def read_log(self, shard: int, after: int, limit: int) -> list[LogRow]:
        """Rows of a shard after `after`, in order: at most `limit`, fewer if they are large."""
        ...

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        """The chain hash of one row; None if there is no such row."""
        ...

    async def notify_relay_ended(self) -> None:
        """Tell a relay that stands by that this one ends."""
        ...
