"""The database as the workers use it: transactions, transient errors, and statements outside a batch's transaction.

Every wait for the database has a limit here. `workers.store.transaction` has the statements of a transaction.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg

from contracts.topics import Partition
from workers import timeouts
from workers.rules.calendar import Instant
from workers.store import channels
from workers.store.connections import DatabaseTimeout
from workers.store.records import AccountRow, DeadLetterWindowRow, Fanout, LogRow, Position
from workers.store.statements import statement
from workers.store.transaction import AccountsLocked, LostOwnership, Transaction, UnknownAccounts, columns

__all__ = ["AccountsLocked", "LostOwnership", "Transaction", "UnknownAccounts"]

TRANSIENT = (
    OSError,  # no connection, or no answer in time
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.StatementCompletionUnknownError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,  # shutdown, restart, or statement_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # too many connections, or a full disk
    asyncpg.ReadOnlySQLTransactionError,  # a standby before its promotion
    asyncpg.InvalidCatalogNameError,  # the database is being replaced
    asyncpg.InvalidCachedStatementError,  # a migration changed the tables
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InternalClientError,  # the server ended the session between two messages
)
"""Errors after which a transaction may be tried again: the database is unreachable, restarting or contended. Errors
about the rows themselves are not among them, for they would occur again.
"""
READ_BYTES = 16 * 1024 * 1024
"""The largest sum of the values in one read of the log. It bounds the relay's memory and the time of its Kafka
transaction. 5,000 ordinary rows need a third of it; dead letters can be large.
"""


class _Rehearsed(Exception):
    """Rolls a transaction back at its end."""


class ConnectionLost(ConnectionError):
    """A connection that was used is closed."""

    server = "PostgreSQL"


async def acquire(pool: asyncpg.Pool) -> Any:
    """A connection of the pool, which the caller releases; raises DatabaseTimeout if none becomes free."""
    try:
        return await pool.acquire(timeout=timeouts.ACQUIRE_SECONDS)
    except TimeoutError as error:
        raise DatabaseTimeout(
            f"no connection to PostgreSQL became free within {timeouts.ACQUIRE_SECONDS:.0f} s"
        ) from error
    except asyncpg.InterfaceError as error:
        raise ConnectionLost(str(error)) from error


@asynccontextmanager
async def acquired(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection of the pool while the block runs; raises ConnectionLost if it is closed when it is used."""
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
        """One transaction; rolled back if the block raises, and at the end of a rehearsal."""
        with suppress(_Rehearsed):
            async with (
                acquired(self.pool) as connection,
                self._closed_on_timeout(connection),
                connection.transaction(),
                self._closed_on_timeout(connection),
            ):
                yield Transaction(connection, self._fingerprint)
                if rehearsal:
                    raise _Rehearsed

    @asynccontextmanager
    async def _closed_on_timeout(self, connection: Any) -> AsyncIterator[None]:
        """Close a connection that does not answer, before a rollback waits for it too, and expire the whole pool.

        The same cause may block the other connections, and each would cost as long a wait.
        """
        try:
            yield
        except (TimeoutError, asyncpg.InternalClientError) as error:
            connection.terminate()
            await self.pool.expire_connections()
            if isinstance(error, TimeoutError):
                raise DatabaseTimeout("PostgreSQL did not answer in time") from error
            raise

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """The rows of one statement, in a transaction of its own."""
        async with acquired(self.pool) as connection, self._closed_on_timeout(connection):
            rows: list[Any] = await connection.fetch(query, *arguments)
        return rows

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        """Insert rows for new accounts, so that they can be locked."""
        await self.fetch(statement("insert_accounts"), account_ids)

    async def claim_positions(self, partitions: Sequence[Partition], owner: str) -> list[Position]:
        """Take partitions over from their present owner, under a new epoch."""
        topics, numbers = columns(partitions, 2)
        rows = await self.fetch(statement("claim_positions"), topics, numbers, owner)
        return [Position(*row) for row in rows]

    async def position_owners(self, partitions: Sequence[Partition]) -> list[str]:
        """The owners that claimed the partitions last."""
        topics, numbers = columns(partitions, 2)
        return [row[0] for row in await self.fetch(statement("position_owners"), topics, numbers)]

    async def dead_letter_windows(self, partitions: Sequence[Partition]) -> list[DeadLetterWindowRow]:
        """The dead-letter windows of partitions; a partition without dead letters has none."""
        topics, numbers = columns(partitions, 2)
        return [
            DeadLetterWindowRow(*row)
            for row in await self.fetch(statement("load_dead_letter_windows"), topics, numbers)
        ]

    async def account(self, account_id: str) -> AccountRow | None:
        """One account's row, without a lock."""
        rows = await self.fetch(statement("account"), account_id)
        return AccountRow(*rows[0]) if rows else None

    async def positions(self) -> list[Position]:
        """Every input position."""
        return [Position(*row) for row in await self.fetch(statement("positions"))]

    async def compared_partitions(self, until: Instant) -> None:
        """Record that the brokers' partition counts agreed with `positions` at `until`."""
        await self.fetch(statement("compared_partitions"), until)

    async def notify_watermark(self) -> None:
        """Wake the timers, because the watermark may have moved."""
        await self.fetch(statement("notify"), channels.WATERMARK)

    async def notify_heartbeat(self) -> None:
        """Ask each ingest worker to prove now how far it has read."""
        await self.fetch(statement("notify"), channels.HEARTBEAT)

    async def ask_for_heartbeat(self, due: Instant) -> None:
        """Do so if a deadline up to `due` is not enforced yet."""
        await self.fetch(statement("ask_for_heartbeat"), channels.HEARTBEAT, due)

    async def notify_fanout(self) -> None:
        """Wake the fan-out workers."""
        await self.fetch(statement("notify"), channels.FANOUTS)

    async def notify_relay_ended(self) -> None:
        """Tell a relay that stands by that this one ends."""
        await self.fetch(statement("notify"), channels.RELAY_ENDED)

    async def claim_fanout(self, lease_seconds: float) -> Fanout | None:
        """Lease a fan-out that no worker has leased, if there is one; its key is a stored key."""
        rows = await self.fetch(statement("claim_fanout"), timedelta(seconds=lease_seconds))
        return Fanout(*rows[0]) if rows else None

    async def quarantine_fanout(self, fanout: Fanout, why: str) -> None:
        """Quarantine a fan-out that raises an error at its cursor."""
        await self.fetch(statement("quarantine_fanout"), *fanout[:3], why)

    async def retry_fanouts(self) -> list[str]:
        """Restart the quarantined fan-outs; returns their companies."""
        return sorted(row[0] for row in await self.fetch(statement("retry_fanouts")))

    async def quarantined(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Quarantined accounts after an account id, in order: id and reason."""
        return [tuple(row) for row in await self.fetch(statement("quarantined_accounts"), after, limit)]

    async def read_log(self, shard: int, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[LogRow]:
        """Rows of a shard of the log after `after`, in order, up to the row that reaches `most_bytes`."""
        rows = await self.fetch(statement("read_log"), shard, after, limit, most_bytes)
        return [LogRow(*row) for row in rows]

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        """The chain hash of one row of the log; None if there is no such row."""
        rows = await self.fetch(statement("log_row_hash"), shard, seq)
        return rows[0][0] if rows else None


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool released a closed connection
        return True
