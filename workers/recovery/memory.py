"""The unit of work in memory, to decide a history without a database; one transaction runs at a time.

A transaction's writes are applied to the tables together when it ends.
"""

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from contracts.topics import Partition
from workers.recovery.memory_tables import Tables, apply, end_fanout, is_unchanged, later, move_fanout, moved_clocks
from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.store.postgres import LostOwnership, UnknownAccounts
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

Result = TypeVar("Result")


class MemoryStore:
    """The database of one deployment, in memory."""

    def __init__(self, places: Iterable[Partition], shards: int) -> None:
        self.tables = Tables(
            {place: Position(*place, 0, 0, None, None) for place in places},
            {shard: ShardHead(shard, 1, b"") for shard in range(shards)},
            log={shard: [] for shard in range(shards)},
        )

    @asynccontextmanager
    async def transaction(self, *, rehearsal: bool = False) -> AsyncIterator["MemoryTransaction"]:
        transaction = MemoryTransaction(self.tables)
        yield transaction
        if not rehearsal:
            transaction.commit()

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        for account_id in account_ids:
            self.tables.accounts.setdefault(account_id, AccountRow(account_id))

    async def quarantine_fanout(self, fanout: Fanout, why: str) -> None:
        if is_unchanged(self.tables, fanout):
            self.tables.quarantined_fanouts[fanout.company_key] = why
            self.tables.leases.pop(fanout.company_key, None)

    def next_fanout(self) -> Fanout | None:
        """A fan-out that can continue, if there is one."""
        return next((self.tables.fanouts[key] for key in self.tables.ready_fanouts()), None)


class MemoryTransaction:
    """The unit of work of `workers.enforcement` over tables that nothing else uses meanwhile."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._writes: list[Callable[[], None]] = []

    def commit(self) -> None:
        """Apply everything that was written."""
        for write in self._writes:
            write()

    async def lock_positions(self, expected: Sequence[Position]) -> None:
        for each in expected:
            stored = self.tables.positions.get(each[:2])
            if stored is None or (stored.next_offset, stored.epoch) != (each.next_offset, each.epoch):
                raise LostOwnership(f"{each.topic}/{each.partition}")

    async def progress(self, moved: Sequence[Position] = ()) -> Progress:
        stored = self.tables.positions
        positions = (stored | {each[:2]: later(stored[each[:2]], each) for each in moved}).values()
        read = [each.watermark for each in positions if each.topic != "account-requests"]
        known = [each for each in read if each is not None]
        latest = max((at for each in positions if (at := each.latest_occurred_at) is not None), default=None)
        return Progress(min(known) if len(known) == len(read) else None, self.tables.compared_until, latest, None)

    async def move_clocks(self, moves: ClockMoves) -> Collection[str]:
        moved = moved_clocks(self.tables, moves)
        self._writes.append(lambda: self.tables.accounts.update(moved))
        return moved.keys()

    async def lock_accounts(self, account_ids: Sequence[str], *, wait: bool = True) -> list[AccountRow]:
        accounts = self.tables.accounts
        unknown = [each for each in account_ids if each not in accounts]
        if unknown:
            raise UnknownAccounts(unknown)
        return [accounts[account_id] for account_id in sorted(account_ids)]

    async def claim_due(self, watermark: Instant, limit: int) -> list[AccountRow]:
        return self.tables.due(watermark)[:limit]

    async def next_members(self, company_key: str, after: str, limit: int) -> list[str]:
        return sorted(each for each in self.tables.memberships.get(company_key, ()) if each > after)[:limit]

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        found = {}
        for row in rows:
            facts = list(self.tables.facts.get(row.account_id, {}).values())
            stored = self.tables.spans.get(row.account_id, {})
            spans = [stored[first] for first in sorted(stored)]
            found[row.account_id] = StoredHistory(facts, spans, self._published(False, row.account_id))
            found[row.account_id].extend_last_span(row)
        return found

    async def companies(self, keys: Sequence[str], lock: str) -> dict[str, CompanyRow]:
        known = self.tables.companies
        if lock == "none":
            return {key: known[key] for key in keys if key in known}
        self._writes += [lambda key=key: known.setdefault(key, CompanyRow(key)) and None for key in keys]  # type: ignore[misc]
        return {key: known.get(key, CompanyRow(key)) for key in keys}

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        return {key: found for key in keys if (found := self._published(True, key))}

    def _published(self, of_company: bool, subject: str) -> list[Published]:
        rows = self.tables.in_force.get((of_company, subject), {}).values()
        return [Published(row.decision_id, row.kind, row.effective_at, row.sequence, row.content) for row in rows]

    async def undecided_members(self, company_key: str) -> int:
        return self.tables.undecided(company_key)

    async def count_decisions(self, decisions: Sequence[tuple[str, str]]) -> int:
        return sum(each in self.tables.in_force.get((False, account_id), {}) for account_id, each in decisions)

    async def fanout_causes(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: self.tables.fanouts[key].because for key in keys if key in self.tables.fanouts}

    async def lock_fanout(self, fanout: Fanout) -> bool:
        return is_unchanged(self.tables, fanout)

    async def move_fanout(self, before: Fanout, after: Fanout) -> None:
        self._writes.append(lambda: move_fanout(self.tables, before, after))

    async def end_fanout(self, fanout: Fanout) -> None:
        self._writes.append(lambda: end_fanout(self.tables, fanout))

    async def write(self, changes: Changes) -> None:
        self._writes.append(lambda: apply(self.tables, changes))

    async def lock_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        return [self.tables.heads[shard] for shard in sorted(shards)]

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        def extend() -> None:
            ends = {shard: head.next_seq for shard, head in self.tables.heads.items()}
            for row in rows:
                assert row.seq == ends[row.shard], f"row {row.seq} of shard {row.shard}, not {ends[row.shard]}"
                ends[row.shard] += 1
                self.tables.log[row.shard].append(row)
            self.tables.heads |= {head.shard: head for head in heads}

        self._writes.append(extend)


def run_alone(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits to its end."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("the coroutine waits, but nothing else runs")
