"""The unit of work in PostgreSQL: what one transaction reads and writes.

Every statement handles a set of rows, so a batch of thousands costs a few round trips. Every transaction takes its
locks in one order: positions, accounts, clocks, companies, fan-outs, shards, each sorted. A transaction that moves
clocks holds them first, and then does not wait for accounts.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store import channels
from workers.store.keys import stored, stored_key
from workers.store.records import (
    AccountRow,
    Changes,
    ClockMoves,
    CompanyRow,
    Fanout,
    LogRow,
    Position,
    Progress,
    ShardHead,
    StoredFact,
    StoredHistory,
)
from workers.store.statements import statement


class LostOwnership(Exception):
    """Another worker owns a partition, or the deployment changed; this worker must write nothing."""


class AccountsLocked(Exception):
    """Other transactions hold accounts that this one would lock out of order: start again, and lock all in order."""


class UnknownAccounts(Exception):
    """Some accounts have no row: insert them in a transaction of its own, then start again."""

    def __init__(self, account_ids: list[str]) -> None:
        super().__init__(f"{len(account_ids)} accounts without a row")
        self.account_ids = account_ids


async def read_progress(connection: Any, moved: Sequence[Position] = ()) -> tuple[Progress, str] | None:
    """The progress once the positions in `moved` are written, and the fingerprint; None without setup."""
    topics, partitions, _, _, complete, latest = columns(moved, 6)
    row = await connection.fetchrow(statement("progress"), topics, partitions, complete, latest)
    if row is None:
        return None
    progress = Progress(row["partitions_watermark"], row["compared_until"], row["latest_occurred_at"], row["held"])
    return progress, row["fingerprint"]


class Transaction:
    """The unit of work of `workers.enforcement` in PostgreSQL."""

    def __init__(self, connection: Any, fingerprint: str) -> None:
        self._connection = connection
        self._fingerprint = fingerprint

    async def lock_positions(self, expected: Sequence[Position]) -> None:
        """Lock positions; raises LostOwnership if an offset, an epoch or the deployment is not as expected."""
        topics, partitions, offsets, epochs, _, _ = columns(expected, 6)
        found = statement("lock_positions"), topics, partitions, offsets, epochs, self._fingerprint
        rows = await self._connection.fetch(*found)
        if len(rows) != len(expected):
            locked = {(row[0], row[1]) for row in rows}
            lost = [f"{each.topic}/{each.partition}" for each in expected if each[:2] not in locked]
            raise LostOwnership(f"no longer the owner of {', '.join(lost)}, or the deployment changed")

    async def progress(self, moved: Sequence[Position] = ()) -> Progress:
        """The progress once the positions in `moved` are written; raises LostOwnership if the deployment changed."""
        found = await read_progress(self._connection, moved)
        if found is None or found[1] != self._fingerprint:
            raise LostOwnership("the deployment is not the one this worker started with")
        return found[0]

    async def move_clocks(self, moves: ClockMoves) -> set[str]:
        """Move the clocks of quiet accounts, and lock them in the order of their ids; returns these accounts.

        It waits for a transaction that holds an account, then looks at the row as that one left it.
        """
        if not moves.rows:
            return set()
        given = (*map(lines, zip(*moves.rows, strict=True)), moves.since, moves.quiet_until, len(moves.rows))
        [(count, moved)] = await self._connection.fetch(statement("move_clocks"), *given)
        return {row[0] for row in moves.rows} if count == len(moves.rows) else set(moved or ())

    async def lock_accounts(self, account_ids: Sequence[str], *, wait: bool = True) -> list[AccountRow]:
        """Lock accounts in the order of their ids; raises UnknownAccounts if some have no row, and AccountsLocked
        if it would have to `wait` and must not.
        """
        if not account_ids:
            return []
        accounts, clocks = ("lock_accounts", "lock_clocks") if wait else ("lock_free_accounts", "lock_free_clocks")
        try:
            rows = await self._connection.fetch(statement(accounts), account_ids)
            if len(rows) != len(account_ids):
                known = {row[0] for row in rows}
                raise UnknownAccounts([each for each in account_ids if each not in known])
            return await self._with_clocks(rows, clocks)
        except asyncpg.LockNotAvailableError as error:
            if wait:
                raise
            raise AccountsLocked from error

    async def claim_due(self, watermark: Instant, limit: int) -> list[AccountRow]:
        """Lock up to `limit` accounts with a due deadline, except those that are locked."""
        rows = await self._connection.fetch(statement("claim_due"), watermark, limit)
        return await self._with_clocks(rows, "lock_clocks") if rows else []

    async def _with_clocks(self, rows: Sequence[Sequence[Any]], lock: str) -> list[AccountRow]:
        """Locked accounts with their clocks, which are locked as well."""
        clocks = await self._connection.fetch(statement(lock), [row[0] for row in rows])
        begun = {account_id: clock for account_id, *clock in clocks}
        return [AccountRow(*row, *begun.get(row[0], ())) for row in rows]

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        """Facts, spans of orders and decisions in force of locked accounts."""
        found = {row.account_id: StoredHistory() for row in rows}
        ids = list(found)
        for fact in await self._connection.fetch(statement("load_facts"), ids):
            found[fact[0]].facts.append(StoredFact(*fact))
        for account_id, first_at, first_id, last_at, last_id in await self._connection.fetch(
            statement("load_spans"), ids
        ):
            span = OrderSpan(EffectiveOrder(first_at, first_id), EffectiveOrder(last_at, last_id))
            found[account_id].spans.append(span)
        for account_id, published in (await self._published(of_company=False, subjects=ids)).items():
            found[account_id].published = published
        for row in rows:
            found[row.account_id].extend_last_span(row)
        return found

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        """Decisions in force of companies."""
        named = {stored_key(key): key for key in keys}
        found = await self._published(of_company=True, subjects=list(named))
        return {named[key]: published for key, published in found.items()}

    async def _published(self, *, of_company: bool, subjects: Sequence[str]) -> dict[str, list[Published]]:
        found: dict[str, list[Published]] = {}
        rows = await self._connection.fetch(statement("load_current_decisions"), of_company, subjects)
        for subject, *decision in rows:
            found.setdefault(subject, []).append(Published(*decision))
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

    async def undecided_members(self, company_key: str) -> int:
        """How many members and former members of a company have deferred facts or are quarantined."""
        count: int = await self._connection.fetchval(statement("undecided_members"), company_key)
        return count

    async def count_decisions(self, decisions: Sequence[tuple[str, str]]) -> int:
        """How many of these decisions (account and decision id) are in force."""
        count: int = await self._connection.fetchval(statement("count_decisions"), *columns(decisions, 2))
        return count

    async def fanout_causes(self, keys: Sequence[str]) -> dict[str, str]:
        """The causes of the fan-outs of locked companies, as JSON."""
        named = {stored_key(key): key for key in keys}
        rows = await self._connection.fetch(statement("fanout_causes"), list(named))
        return {named[key]: because for key, because in rows}

    async def write(self, changes: Changes) -> None:
        """Write all changes set by set, the positions last; this also locks the fan-outs."""
        await self._copy("account_clocks", [(row[0], row[1], *row[1:]) for row in changes.begun])
        await self._each("rearm_accounts", changes.rearmed, 3)
        await self._each("update_accounts", changes.accounts, 12)
        await self._copy("facts", changes.facts)
        await self._each("delete_spans", changes.spans_removed, 2)
        await self._copy(
            "order_spans",
            [
                (account_id, span.first.at, span.first.order_id, span.last.at, span.last.order_id)
                for account_id, span in changes.spans_added
            ]
            + [(account_id, at, order_id, at, order_id) for account_id, at, order_id, _ in changes.begun],
        )
        withdrawn = [(of_company, stored_key(subject), each) for of_company, subject, each in changes.withdrawn]
        await self._each("delete_current_decisions", withdrawn, 3)
        await self._copy("current_decisions", stored(changes.published))
        memberships = [(stored_key(key), account_id) for key, account_id in changes.memberships]
        await self._each("insert_memberships", memberships, 2)
        await self._each("update_companies", [(stored_key(key), *rest) for key, *rest in changes.companies], 5)
        for before, after in changes.fanouts_moved:
            await self.move_fanout(before, after)
        await self._each("begin_fanouts", [(stored_key(key), *rest) for key, *rest in changes.fanouts], 3)
        if changes.fanouts:
            await self._connection.execute(statement("notify"), channels.FANOUTS)
        await self._each("save_dead_letter_windows", changes.windows, 6)
        await self._each("move_positions", changes.positions, 6)

    async def lock_fanout(self, fanout: Fanout) -> bool:
        """Lock a fan-out after its company; False if it changed since it was claimed."""
        return bool(await self._connection.fetch(statement("lock_fanout"), *fanout[:3]))

    async def move_fanout(self, before: Fanout, after: Fanout) -> None:
        """Move a fan-out and end its lease, unless it changed since it was claimed."""
        moved = (*before[:3], after.version, after.cursor, after.deferred)
        await self._connection.execute(statement("move_fanout"), *moved)

    async def end_fanout(self, fanout: Fanout) -> None:
        """Delete a fan-out under the company's lock, unless it changed since it was claimed."""
        await self._connection.execute(statement("end_fanout"), *fanout[:3])

    async def lock_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        """Lock the heads of shards; a transaction takes these locks last."""
        return [ShardHead(*row) for row in await self._connection.fetch(statement("lock_shards"), shards)]

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        """Append rows to the log and move the heads of its shards."""
        await self._copy("decision_log", stored(rows))
        await self._each("move_shards", heads, 3)

    async def _copy(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows by COPY, in the order of the table's columns; for many rows it costs half of `unnest`."""
        if rows:
            await self._connection.copy_records_to_table(table, records=rows)

    async def _each(self, name: str, rows: Sequence[Sequence[object]], width: int) -> None:
        if rows:
            await self._connection.execute(statement(name), *columns(rows, width))


def lines(values: Iterable[object]) -> str:
    """Values as lines for the hot statement: asyncpg's check of each array element took a tenth of a worker's time.

    No id contains a control character or is empty.
    """
    return "\n".join(map(str, values))


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as columns for `unnest`."""
    found = [list(column) for column in zip(*rows, strict=True)]
    return found or [[] for _ in range(width)]
