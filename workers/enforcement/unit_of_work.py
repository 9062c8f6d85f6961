"""The unit of work: what one database transaction may read, lock and write, in PostgreSQL or in memory.

Owns the two Protocols and no code. Locks are taken in one order everywhere, each kind sorted: positions, accounts,
companies, fan-outs, shards of the log. `workers.enforcement.process` has that order in one function.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from workers.rules.calendar import Instant
from workers.rules.difference import Published
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
    StoredHistory,
)


class UnitOfWork(Protocol):
    """One transaction. Nothing that it writes is seen by others before its end."""

    async def lock_positions(self, expected: Sequence[Position]) -> None:
        """Lock positions; raises LostOwnership where an offset, an epoch or the deployment is not as expected."""
        ...

    async def progress(self, moved: Sequence[Position] = ()) -> Progress:
        """How far the inputs are read, with the positions that this transaction is about to write; raises
        LostOwnership where the deployment changed.
        """
        ...

    async def move_clocks(self, moves: ClockMoves) -> Collection[str]:
        """Move the clocks of the accounts that are quiet, and lock them; returns these accounts."""
        ...

    async def lock_accounts(self, account_ids: Sequence[str], *, wait: bool = True) -> list[AccountRow]:
        """Lock accounts; raises UnknownAccounts where some have no row. A transaction that holds accounts already
        must not `wait`: it raises AccountsLocked where another holds one of these.
        """
        ...

    async def claim_due(self, watermark: Instant, limit: int) -> list[AccountRow]:
        """Lock up to `limit` accounts with a deadline that is due and that nobody else holds, soonest first."""
        ...

    async def next_members(self, company_key: str, after: str, limit: int) -> list[str]:
        """Members and former members of a company after an account id, in order."""
        ...

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        """Facts, spans of orders and published decisions of locked accounts."""
        ...

    async def companies(self, keys: Sequence[str], lock: str) -> dict[str, CompanyRow]:
        """Companies by key; `lock` is "none", "share" (an account joins) or "update" (a case changes them)."""
        ...

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        """Decisions of companies that are in force."""
        ...

    async def undecided_members(self, company_key: str) -> int:
        """How many members and former members of a company have deferred facts or are quarantined."""
        ...

    async def count_decisions(self, decisions: Sequence[tuple[str, str]]) -> int:
        """How many of these decisions (account and decision id) are in force."""
        ...

    async def fanout_causes(self, keys: Sequence[str]) -> dict[str, str]:
        """What the fan-outs under way of locked companies name as their cause, as JSON."""
        ...

    async def lock_fanout(self, fanout: Fanout) -> bool:
        """Lock a fan-out, after its company; False where somebody else moved it since it was claimed."""
        ...

    async def move_fanout(self, before: Fanout, after: Fanout) -> None:
        """Move a fan-out and end its lease, unless somebody else moved it since it was claimed."""
        ...

    async def end_fanout(self, fanout: Fanout) -> None:
        """Delete a fan-out that is still where it was claimed, under the company's lock."""
        ...

    async def write(self, changes: Changes) -> None:
        """Write all changes, set by set; the positions last."""
        ...

    async def lock_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        """Lock the heads of shards: the last locks that a transaction takes."""
        ...

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        """Append to the log and move the heads of its shards."""
        ...


class Transactions(Protocol):
    """Where units of work begin."""

    def transaction(self, *, rehearsal: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        """One unit of work; rolled back where the block raises, and at the end of a rehearsal."""
        ...

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        """Give accounts that are heard of for the first time a row to lock."""
        ...

    async def quarantine_fanout(self, fanout: Fanout, why: str) -> None:
        """Leave a fan-out alone that cannot go on from where it is."""
        ...
