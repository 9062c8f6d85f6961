"""The log that is made from the output topics: its chain must come to the hash of the relay's checkpoint."""

from typing import Any
from uuid import UUID

import pytest

from workers.checkpoints import Checkpoint
from workers.enforcement.outbox import chain_hash
from workers.recovery.rebuild_log import Altered, _chained
from workers.store.records import LogRow


def found(seq: int, value: bytes = b"") -> LogRow:
    """A message of the shard, whose hash is not known."""
    return LogRow(0, seq, b"", "suspensions", b"a", "[]", value or f"value {seq}".encode(), None, "a", "k", None, seq)


def hashes(*rows: LogRow) -> list[bytes]:
    """The chain of rows that are all there."""
    known = [b""]
    for row in rows:
        known.append(chain_hash(known[-1], row.topic, row.key, row.headers, row.value))
    return known[1:]


class Found:
    """A database that holds what was found in the topics."""

    def __init__(self, *rows: LogRow) -> None:
        self.rows = rows

    async def fetch(self, _: str, shard: int, after: int, limit: int) -> list[LogRow]:
        return [row for row in self.rows if row.shard == shard and row.seq > after][:limit]

    async def fetchval(self, _: str) -> int:
        return 99


async def chained(checkpoint: Checkpoint, *rows: LogRow) -> list[tuple[int, bytes, bytes]]:
    """Number, hash and value of the rows that are written."""
    connection: Any = Found(*rows)
    return [(row.seq, row.hash, row.value) async for chunk in _chained(connection, 0, checkpoint) for row in chunk]


def checkpoint(seq: int, known: bytes) -> Checkpoint:
    return Checkpoint(seq, known, UUID(int=1))


async def test_messages_that_are_all_there_come_to_the_hash_of_the_checkpoint() -> None:
    rows = [found(1), found(2), found(3)]
    known = hashes(*rows)
    written = [(row.seq, known[row.seq - 1], row.value) for row in rows]
    assert await chained(checkpoint(3, known[2]), *rows) == written


async def test_messages_that_were_altered_are_refused() -> None:
    known = hashes(found(1), found(2), found(3))
    with pytest.raises(Altered, match="shard 0: the output topics do not contain what was published up to 3"):
        await chained(checkpoint(3, known[2]), found(1), found(2, b"another value"), found(3))


async def test_behind_a_message_that_was_compacted_away_only_the_checkpoint_s_own_hash_is_known() -> None:
    rows = [found(1), found(3), found(4)]
    assert await chained(checkpoint(4, b"known"), *rows) == [
        (1, hashes(found(1))[0], b"value 1"),
        (3, b"", b"value 3"),
        (4, b"known", b"value 4"),
    ]


async def test_a_last_message_that_was_compacted_away_leaves_a_row_with_the_checkpoint_s_hash() -> None:
    assert await chained(checkpoint(2, b"known"), found(1)) == [
        (1, hashes(found(1))[0], b"value 1"),
        (2, b"known", b""),
    ]
