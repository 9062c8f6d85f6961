"""PostgreSQL behind the engine: connections, what may be tried again, and statements beside a batch's transaction.

Owns every wait for the database and its limit. What a transaction may do is in `workers.store.transaction`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg

from workers import timeouts
from workers.rules.calendar import Instant
from workers.store.connections import DatabaseSilent
from workers.store.records import AccountRow, DeadLetterWindowRow, Fanout, LogRow, Position
from workers.store.statements import statement
from workers.store.transaction import LostOwnership, Transaction, UnknownAccounts, columns

__all__ = ["LostOwnership", "Transaction", "UnknownAccounts"]

TRANSIENT = (
    OSError,  # no connection, or no answer in time
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,  # shut down, restarting, a statement that took too long
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # no connection left, disk full
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be the primary
    asyncpg.InvalidCatalogNameError,  # a database in whose place another one is being put
    asyncpg.InvalidCachedStatementError,  # a migration changed the tables
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InternalClientError,  # a session that the server ended between two messages
)
"""What rolls a transaction back and may be tried again: the database is away, restarting or contended. What it says
of the rows themselves is not among these: it would be said again.
"""
READ_BYTES = 16 * 1024 * 1024
"""Rows of the log are read until their values are so large together: what the relay holds in memory of a shard, and
sends well within the time of a Kafka transaction. 5,000 ordinary rows are a third of it; dead letters can be large.
"""


class _Rehearsed(Exception):
    """Rolls a transaction back at its end."""


class ConnectionLost(ConnectionError):
    """asyncpg was asked to use a connection that is closed."""

    server = "PostgreSQL"


async def acquire(pool: asyncpg.Pool) -> Any:
    """A connection of the pool, to be released; raises DatabaseSilent where none becomes free."""
    try:
        return await pool.acquire(timeout=timeouts.ACQUIRE_SECONDS)
    except TimeoutError as error:
        raise DatabaseSilent(
            f"no connection to PostgreSQL became free within {timeouts.ACQUIRE_SECONDS:.0f} s"
        ) from error
    except asyncpg.InterfaceError as error:
        raise ConnectionLost(str(error)) from error


@asynccontextmanager
async def acquired(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection of the pool while the block runs; raises ConnectionLost where asyncpg calls the use of one that is
    closed a misuse.
    """
    connection = await acquire(pool)
    try:
        yield connection
    except asyncpg.InterfaceError as error:
        if _is_closed(connection):
            raise ConnectionLost(str(error)) from error
        raise
    finally:
        await pool.release(connection)


class Store:
    """The database of one deployment, as the workers use it."""

    def __init__(self, pool: asyncpg.Pool, fingerprint: str) -> None:
        self.pool = pool
        self._fingerprint = fingerprint

    @asynccontextmanager
    async def transaction(self, *, rehearsal: bool = False) -> AsyncIterator["Transaction"]:
        """One transaction; rolled back where the block raises, and at the end of a rehearsal.

        Raises LostOwnership where the deployment is no longer the one this worker started with.
        """
        with suppress(_Rehearsed):
            async with (
                acquired(self.pool) as connection,
                self._given_up_if_silent(connection),
                connection.transaction(),
                self._given_up_if_silent(connection),
            ):
                yield Transaction(connection, self._fingerprint)
                if rehearsal:
                    raise _Rehearsed

    @asynccontextmanager
    async def _given_up_if_silent(self, connection: Any) -> AsyncIterator[None]:
        """End a connection that gives no answer, before a rollback waits for one too, and use no other of its time.

        Whatever keeps its answers back may do so with theirs, and each would cost as long a wait.
        """
        try:
            yield
        except (TimeoutError, asyncpg.InternalClientError) as error:
            connection.terminate()
            await self.pool.expire_connections()
            if isinstance(error, TimeoutError):
                raise DatabaseSilent("PostgreSQL gave no answer in time") from error
            raise

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """The rows that one statement gives, in a transaction of its own."""
        async with acquired(self.pool) as connection, self._given_up_if_silent(connection):
            rows: list[Any] = await connection.fetch(query, *arguments)
        return rows

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        """Give accounts that are heard of for the first time a row to lock."""
        await self.fetch(statement("insert_accounts"), account_ids)

    async def claim_positions(self, partitions: Sequence[tuple[str, int]], owner: str) -> list[Position]:
        """Take partitions over from whoever had them."""
        topics, numbers = columns(partitions, 2)
        rows = await self.fetch(statement("claim_positions"), topics, numbers, owner)
        return [Position(*row) for row in rows]

    async def position_owners(self, partitions: Sequence[tuple[str, int]]) -> list[str]:
        """Who claimed partitions last."""
        topics, numbers = columns(partitions, 2)
        return [row[0] for row in await self.fetch(statement("position_owners"), topics, numbers)]

    async def dead_letter_windows(self, partitions: Sequence[tuple[str, int]]) -> list[DeadLetterWindowRow]:
        """What was counted of partitions' dead letters; none of one that never had any."""
        topics, numbers = columns(partitions, 2)
        return [
            DeadLetterWindowRow(*row)
            for row in await self.fetch(statement("load_dead_letter_windows"), topics, numbers)
        ]

    async def account(self, account_id: str) -> AccountRow | None:
        """One account's row, unlocked."""
        rows = await self.fetch(statement("account"), account_id)
        return AccountRow(*rows[0]) if rows else None

    async def positions(self) -> list[Position]:
        """Every input position."""
        return [Position(*row) for row in await self.fetch(statement("positions"))]

    async def compared_partitions(self, until: Instant) -> None:
        """The brokers' partition counts agreed with `positions` at `until`."""
        await self.fetch(statement("compared_partitions"), until)

    async def notify_watermark(self) -> None:
        """Wake the timers: the watermark may have moved."""
        await self.fetch(statement("notify"), "standing_watermark")

    async def notify_fanout(self) -> None:
        """Wake who judges the members of companies."""
        await self.fetch(statement("notify"), "standing_fanout")

    async def notify_relay_ended(self) -> None:
        """A relay ends: another one that stands by may take its shards over."""
        await self.fetch(statement("notify"), "standing_relay_ended")

    async def claim_fanout(self, lease_seconds: float) -> Fanout | None:
        """A fan-out under way that nobody works on, leased to the caller; the key as it is stored."""
        rows = await self.fetch(statement("claim_fanout"), timedelta(seconds=lease_seconds))
        return Fanout(*rows[0]) if rows else None

    async def quarantine_fanout(self, fanout: Fanout, why: str) -> None:
        """Leave a fan-out alone that cannot go on from where it is."""
        await self.fetch(statement("quarantine_fanout"), *fanout[:3], why)

    async def retry_fanouts(self) -> list[str]:
        """Begin the fan-outs again that could not go on; returns their companies."""
        return sorted(row[0] for row in await self.fetch(statement("retry_fanouts")))

    async def quarantined(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Accounts whose evaluation failed, and why, after an account id, in order."""
        return [tuple(row) for row in await self.fetch(statement("quarantined_accounts"), after, limit)]

    async def read_log(self, shard: int, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[LogRow]:
        """Rows of the log's shard after `after`, in order; the last is the one with which they hold `most_bytes`."""
        rows = await self.fetch(statement("read_log"), shard, after, limit, most_bytes)
        return [LogRow(*row) for row in rows]

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        """The chain hash of one row of the log, if it is there."""
        rows = await self.fetch(statement("log_row_hash"), shard, seq)
        return rows[0][0] if rows else None


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool took it back: it is
        return True
