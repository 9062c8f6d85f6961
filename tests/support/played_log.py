"""A decision log that a test fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workers.store.records import LogRow


@dataclass
class PlayedLog:
    """One shard's rows, and the chain hashes of others by seq."""

    shard: int
    rows: Sequence[LogRow] = ()
    hashes: Mapping[int, bytes] = field(default_factory=dict)

    async def read_log(self, shard: int, after: int, limit: int) -> list[LogRow]:
        assert shard == self.shard
        return [each for each in self.rows if each.seq > after][:limit]

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        return self.hashes.get(seq) if shard == self.shard else None

    async def notify_relay_ended(self) -> None:
        """Nobody stands by."""
