"""A snapshot of the live engine in one transaction: how far it read, judged and logged.

A replay compares no more than that. The messages of a snapshot are those in its log, published or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from contracts.topics import Partition
from workers.checkpoints import compare_published, published_seqs
from workers.codec.messages import ce_id
from workers.kafka.admin import Admin
from workers.rules.calendar import Instant
from workers.settings import Settings
from workers.store.records import MINUS_INFINITY, LogRow
from workers.store.statements import statement
from workers.store.transaction import read_progress

AT_A_TIME = 5000
"""The most rows of a Kafka transaction of the relay."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Up to where deadlines are enforced: the watermark, and the accounts that differ from it."""

    watermark: Instant = MINUS_INFINITY
    accounts: Mapping[str, Instant] = field(default_factory=dict)

    def until(self, account_id: str) -> Instant:
        """Up to where an account's deadlines are enforced."""
        return self.accounts.get(account_id, self.watermark)

    @property
    def furthest(self) -> Instant | None:
        """The latest instant up to which any account is judged; None if none is."""
        found = max([self.watermark, *self.accounts.values()])
        return None if found == MINUS_INFINITY else found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the live engine."""

    judged: Judged
    held: str | None
    positions: Mapping[Partition, int]
    """The next offset of each input partition, topics without prefix."""
    undecided: frozenset[str]
    """Accounts that must be judged again, for example by a fan-out; they cannot be compared."""
    incarnation: UUID
    ends: Mapping[int, int]
    """The last row of each shard of the log."""
    checkpoints: Mapping[int, int]
    """The last published row of each shard, read shortly before."""
    newest: Sequence[LogRow]
    """The rows that may not be visible in Kafka yet."""

    def later(self, ends: Mapping[int, int]) -> set[str]:
        """The `ce_id`s of the rows that were appended to the log after the snapshot, up to `ends`."""
        return {
            ce_id(self.incarnation, shard, seq)
            for shard, end in ends.items()
            for seq in range(self.ends.get(shard, 0) + 1, end + 1)
        }


async def take_snapshot(settings: Settings, connection: Any) -> Snapshot | None:
    """Take a snapshot; None if the database was not set up, or has another schema version.

    Raises SetBack if the database lacks published rows, and CheckpointLost if that cannot be determined.
    """
    try:
        admin = Admin(settings.kafka)
        await compare_published(admin, settings.topic_prefix, connection)
        shards = [row[0] for row in await connection.fetch(statement("shard_ends"))]
        checkpoints = await published_seqs(admin, settings.topic_prefix, shards)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _read(settings, connection, checkpoints)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return None


async def _read(settings: Settings, connection: Any, checkpoints: Mapping[int, int]) -> Snapshot | None:
    found = await read_progress(connection)
    if found is None:
        return None
    watermark = found[0].watermark(settings.allowed_lateness)
    due = None if watermark == MINUS_INFINITY else watermark
    accounts = {
        account_id: MINUS_INFINITY if until is None else until
        for account_id, until in await connection.fetch(statement("judged_otherwise"), due)
    }
    ends = dict(await connection.fetch(statement("shard_ends")))
    newest = [
        LogRow(*row)
        for shard in ends
        for row in await connection.fetch(statement("rows_after"), shard, checkpoints.get(shard, 0) - AT_A_TIME)
    ]
    return Snapshot(
        Judged(watermark, accounts),
        found[0].held,
        {
            (row["topic"], row["partition"]): row["next_offset"]
            for row in await connection.fetch(statement("positions"))
        },
        frozenset(row[0] for row in await connection.fetch(statement("undecided_accounts"))),
        await connection.fetchval(statement("incarnation")),
        ends,
        checkpoints,
        newest,
    )
