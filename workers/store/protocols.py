"""What workers ask of the store beside units of work, each as narrow as its user: PostgreSQL, or a double of it."""

from collections.abc import Sequence
from typing import Protocol

from workers.rules.calendar import Instant
from workers.store.records import DeadLetterWindowRow, LogRow, Position


class InputPositions(Protocol):
    """The positions of the input partitions, and their dead-letter windows."""

    async def positions(self) -> list[Position]:
        """Every input position."""
        ...

    async def position_owners(self, partitions: Sequence[tuple[str, int]]) -> list[str]:
        """Who claimed partitions last."""
        ...

    async def claim_positions(self, partitions: Sequence[tuple[str, int]], owner: str) -> list[Position]:
        """Take partitions over from whoever had them."""
        ...

    async def dead_letter_windows(self, partitions: Sequence[tuple[str, int]]) -> list[DeadLetterWindowRow]:
        """The stored windows of partitions; none of one that never had a dead letter."""
        ...

    async def compared_partitions(self, until: Instant) -> None:
        """The brokers' partition counts agreed with the positions at `until`."""
        ...

    async def notify_watermark(self) -> None:
        """Wake the timers: the watermark may have moved."""
        ...


class DecisionLog(Protocol):
    """The decision log, as the relay reads it."""

    async def read_log(self, shard: int, after: int, limit: int) -> list[LogRow]:
        """Rows of a shard after `after`, in order: at most `limit`, and fewer where they are large."""
        ...

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        """The chain hash of one row, if it is there."""
        ...

    async def notify_relay_ended(self) -> None:
        """A relay ends: another one that stands by may take its shards over."""
        ...
