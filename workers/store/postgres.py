"""PostgreSQL behind the engine: connections, and the one transaction in which a batch is decided.

Owns every statement (``sql/*.sql``, one each) and nothing of their meaning. Everything is set-based: a batch
of thousands costs a handful of round trips. Locks are taken in one order everywhere: positions, accounts,
companies, spreads, shards, each sorted.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store.connections import DatabaseSilent
from workers.store.keys import stored, stored_key
from workers.store.records import (
    AccountRow,
    Advance,
    Changes,
    CompanyRow,
    LogRow,
    Position,
    Progress,
    RejectsRow,
    ShardHead,
    Spread,
    StoredFact,
    StoredHistory,
)

TRANSIENT = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What rolls a transaction back and may be tried again: the database is away, restarting or contended. asyncpg takes
a session that the server ends between two messages for an error of its own (InternalClientError).
"""
ACQUIRE_SECONDS = 30.0
"""How long to wait for a connection of the pool: as long as a statement may keep one."""

READ_BYTES = 16 * 1024 * 1024
"""Rows of the log are read until their values are so large together: what the relay holds in memory of a shard, and
sends well within the time of a Kafka transaction. 5,000 ordinary rows are a third of it; dead letters can be large.
"""


class LostOwnership(Exception):
    """Another worker owns a partition now, or the deployment changed: nothing may be written."""


class UnknownAccounts(Exception):
    """Accounts that have no row yet: insert them in a transaction of their own, then begin again."""

    def __init__(self, account_ids: list[str]) -> None:
        super().__init__(f"{len(account_ids)} accounts without a row")
        self.account_ids = account_ids


@cache
def statement(name: str) -> str:
    """The SQL statement of that name."""
    return files("workers.store").joinpath("sql", f"{name}.sql").read_text()


async def acquire(pool: asyncpg.Pool) -> Any:
    """A connection of the pool, to be released; raises DatabaseSilent where none becomes free."""
    try:
        return await pool.acquire(timeout=ACQUIRE_SECONDS)
    except TimeoutError as error:
        raise DatabaseSilent(f"no connection to PostgreSQL became free within {ACQUIRE_SECONDS:.0f} s") from error


@asynccontextmanager
async def acquired(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection of the pool while the block runs."""
    connection = await acquire(pool)
    try:
        yield connection
    finally:
        await pool.release(connection)


class Store:
    """The database of one deployment, as the workers use it."""

    def __init__(self, pool: asyncpg.Pool, fingerprint: str) -> None:
        self.pool = pool
        self._fingerprint = fingerprint

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """One transaction; rolled back where the block raises.

        Raises LostOwnership where the deployment is no longer the one this worker started with.
        """
        async with (
            acquired(self.pool) as connection,
            self._given_up_if_silent(connection),
            connection.transaction(),
            self._given_up_if_silent(connection),
        ):
            yield Transaction(connection, self._fingerprint)

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
        topics, numbers = _columns(partitions, 2)
        rows = await self.fetch(statement("claim_positions"), topics, numbers, owner)
        return [Position(*row) for row in rows]

    async def rejects(self, partitions: Sequence[tuple[str, int]]) -> list[RejectsRow]:
        """What was counted of partitions' dead letters; none of one that never had any."""
        topics, numbers = _columns(partitions, 2)
        return [RejectsRow(*row) for row in await self.fetch(statement("load_rejects"), topics, numbers)]

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

    async def notify_horizon(self) -> None:
        """Wake the timers: the horizon may have moved."""
        await self.fetch("select pg_notify('standing_horizon', '')")

    async def claim_spread(self, lease_seconds: float) -> Spread | None:
        """A spread under way that nobody works on, leased to the caller; the key as it is stored."""
        rows = await self.fetch(statement("claim_spread"), timedelta(seconds=lease_seconds))
        return Spread(*rows[0]) if rows else None

    async def read_log(self, shard: int, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[LogRow]:
        """Rows of the log's shard after `after`, in order; the last is the one with which they hold `most_bytes`."""
        rows = await self.fetch(statement("read_log"), shard, after, limit, most_bytes)
        return [LogRow(*row) for row in rows]

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        """The chain hash of one row of the log, if it is there."""
        rows = await self.fetch(statement("log_row_hash"), shard, seq)
        return rows[0][0] if rows else None


class Transaction:
    """What may be done inside the transaction of one batch; see `workers.enforcement` for the order."""

    def __init__(self, connection: Any, fingerprint: str) -> None:
        self._connection = connection
        self._fingerprint = fingerprint

    async def advance(self, advances: Sequence[Advance]) -> None:
        """Compare-and-set the positions; raises LostOwnership where one is not as this worker believes."""
        rows = await self._connection.fetch(statement("advance_positions"), *_columns(advances, 7), self._fingerprint)
        if len(rows) != len(advances):
            moved = {(row[0], row[1]) for row in rows}
            lost = [f"{each.topic}/{each.partition}" for each in advances if each[:2] not in moved]
            raise LostOwnership(f"no longer the owner of {', '.join(lost)}, or the deployment changed")

    async def save_rejects(self, rows: Sequence[RejectsRow]) -> None:
        """Store what was counted of partitions whose positions this transaction moved."""
        await self._each("save_rejects", rows, 6)

    async def progress(self) -> Progress:
        """How far the inputs were read; raises LostOwnership where the deployment changed."""
        row = await self._connection.fetchrow(statement("progress"))
        if row is None or row["fingerprint"] != self._fingerprint:
            raise LostOwnership("the deployment is not the one this worker started with")
        return Progress(row["complete_until"], row["compared_until"], row["latest_occurred_at"], row["held"])

    async def lock_accounts(self, account_ids: Sequence[str]) -> list[AccountRow]:
        """Lock accounts, in the order of their ids; raises UnknownAccounts where some have no row."""
        rows = await self._connection.fetch(statement("lock_accounts"), _lines(account_ids))
        if len(rows) != len(account_ids):
            known = {row[0] for row in rows}
            raise UnknownAccounts([each for each in account_ids if each not in known])
        return rows  # type: ignore[no-any-return]  # records unpack as AccountRow does, without the cost

    async def claim_due(self, horizon: Instant, limit: int) -> list[AccountRow]:
        """Lock up to `limit` accounts whose silence is due and that nobody else holds."""
        return [AccountRow(*row) for row in await self._connection.fetch(statement("claim_due"), horizon, limit)]

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        """Facts, spans of orders and published decisions of locked accounts."""
        found = {row.account_id: StoredHistory() for row in rows}
        ids = list(found)
        for fact in await self._connection.fetch(statement("load_facts"), ids):
            found[fact[0]].facts.append(StoredFact(*fact))
        for account_id, first_at, first_id, last_at, last_id in await self._connection.fetch(
            statement("load_spans"), ids
        ):
            span = OrderSpan(EffectiveOrder(first_at, first_id), EffectiveOrder(last_at, last_id))
            found[account_id].spans.append(span)
        for row in rows:  # the fast path moves the end of the last span in the account's row only
            if row.last_effective_at is not None and row.last_order_id is not None:
                spans = found[row.account_id].spans
                last = EffectiveOrder(row.last_effective_at, row.last_order_id)
                spans[-1] = OrderSpan(spans[-1].first, last)
        for account_id, published in (await self._published(of_company=False, subjects=ids)).items():
            found[account_id].published = published
        return found

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        """Published decisions that stand, of companies."""
        named = {stored_key(key): key for key in keys}
        found = await self._published(of_company=True, subjects=list(named))
        return {named[key]: published for key, published in found.items()}

    async def _published(self, *, of_company: bool, subjects: Sequence[str]) -> dict[str, list[Published]]:
        found: dict[str, list[Published]] = {}
        rows = await self._connection.fetch(statement("load_net_decisions"), of_company, subjects)
        for subject, decision_id, *rest in rows:
            found.setdefault(subject, []).append(Published(str(decision_id), *rest))
        return found

    async def companies(self, keys: Sequence[str], lock: str) -> dict[str, CompanyRow]:
        """Companies by key; `lock`: "none", "share" (an account joins) or "update" (a case changes them)."""
        if not keys:
            return {}
        named = {stored_key(key): key for key in keys}
        if lock != "none":
            await self._connection.execute(statement("insert_companies"), list(named))
        name = {"none": "load_companies", "share": "share_companies", "update": "lock_companies"}[lock]
        rows = await self._connection.fetch(statement(name), list(named))
        return {named[key]: CompanyRow(named[key], *rest) for key, *rest in rows}

    async def next_members(self, company_key: str, after: str, limit: int) -> list[str]:
        """Members and former members of a company after an account id, in order."""
        rows = await self._connection.fetch(statement("next_members"), company_key, after, limit)
        return [row[0] for row in rows]

    async def members(self, company_key: str) -> tuple[int, int]:
        """How many members and former members a company has, and how many of them wait or are held."""
        [row] = await self._connection.fetch(statement("members"), company_key)
        return row[0], row[1]

    async def rearm(self, moved: Sequence[tuple[str, Instant]]) -> None:
        """Set lazy wake_ats to when silence would really decide something."""
        await self._connection.execute(statement("rearm_accounts"), *_columns(moved, 2))

    async def write(self, changes: Changes) -> None:
        """Write all changes, set by set, in the order of the locks."""
        if changes.moved:
            columns = (_lines(column) for column in zip(*changes.moved, strict=True))
            await self._connection.execute(statement("move_last_orders"), *columns)
        await self._each("begin_spans", changes.begun, 3)
        await self._each("update_accounts", changes.accounts, 11)
        await self._copy("facts", changes.facts)
        await self._each("delete_spans", changes.spans_removed, 2)
        await self._copy(
            "order_spans",
            [
                (account_id, span.first.at, span.first.order_id, span.last.at, span.last.order_id)
                for account_id, span in changes.spans_added
            ]
            + [(account_id, at, order_id, at, order_id) for account_id, at, order_id in changes.begun],
        )
        withdrawn = [(of_company, stored_key(subject), each) for of_company, subject, each in changes.withdrawn]
        await self._each("delete_net_decisions", withdrawn, 3)
        await self._copy("net_decisions", stored(changes.published))
        memberships = [(stored_key(key), account_id) for key, account_id in changes.memberships]
        await self._each("insert_memberships", memberships, 2)
        await self._each("update_companies", [(stored_key(key), *rest) for key, *rest in changes.companies], 5)
        await self._each("begin_spreads", [(stored_key(key), *rest) for key, *rest in changes.spreads], 3)
        if changes.spreads:
            await self._connection.execute("select pg_notify('standing_spread', '')")

    async def advance_spread(self, spread: Spread) -> None:
        """Move a spread's cursor and hits and end its lease, unless a newer version began it anew."""
        columns = (spread.company_key, spread.version, spread.cursor, spread.hits)
        await self._connection.execute(statement("advance_spread"), *columns)

    async def end_spread(self, spread: Spread) -> None:
        """Delete a spread whose version is still the company's, under the company's lock."""
        await self._connection.execute(statement("end_spread"), spread.company_key, spread.version)

    async def take_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        """Lock the heads of shards: the last locks that a transaction takes."""
        return [ShardHead(*row) for row in await self._connection.fetch(statement("take_shards"), shards)]

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        """Append to the log and move the heads of its shards."""
        await self._copy("decision_log", stored(rows))
        await self._each("move_shards", heads, 3)

    async def _copy(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows by COPY, in the order of the table's columns: for many rows half the cost of `unnest`."""
        if rows:
            await self._connection.copy_records_to_table(table, records=rows)

    async def _each(self, name: str, rows: Sequence[Sequence[object]], width: int) -> None:
        if rows:
            await self._connection.execute(statement(name), *_columns(rows, width))


def _lines(values: Iterable[object]) -> str:
    """Values as lines, for the hot statements: asyncpg asks of each element of an array what it is, which took a
    tenth of a worker's time. No id holds a control character, and none is empty.
    """
    return "\n".join(map(str, values))


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as the columns that `unnest` takes."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
