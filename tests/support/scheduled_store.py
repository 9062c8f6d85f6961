"""PostgreSQL's locks and visibility around the store in memory: for the simulator, and for tests of both stores.

Every call is a step, at which a scheduler may let another worker continue or end this one; `run_alone` schedules a
single worker. Others see what a transaction wrote once it commits.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from types import TracebackType
from typing import Any

from workers.recovery.memory import MemoryStore, MemoryTransaction
from workers.recovery.memory_tables import moved_clocks
from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.store.postgres import READ_BYTES, AccountsLocked, UnknownAccounts
from workers.store.records import (
    AccountRow,
    Changes,
    ClockMoves,
    CompanyRow,
    DeadLetterWindowRow,
    Fanout,
    LogRow,
    Position,
    Progress,
    ShardHead,
    StoredHistory,
)

Row = tuple[str, Any]
LEASE_STEPS = 60
"""How long a fan-out's lease holds, in steps of the scheduler."""


class Step:
    """A point at which another worker may go on, or this one end; it goes on once it is `free` to."""

    __slots__ = ("free", "locked")

    def __init__(self, free: Callable[[], bool] | None = None, *, locked: bool = False) -> None:
        self.free = free
        self.locked = locked

    def __await__(self) -> Generator["Step", None, None]:
        yield self


STEP = Step()


class ScheduledStore:
    """`workers.store.postgres.Store` over tables in memory."""

    def __init__(self, places: Iterable[tuple[str, int]], shards: int) -> None:
        self.inner = MemoryStore(places, shards)
        self.tables = self.inner.tables
        self.locks: dict[Row, dict[object, bool]] = {}
        """The locks on each row: by transaction, whether exclusive."""
        self.steps = 0
        self.changes = 0
        """Grows whenever a worker that waits for something should look again."""
        self.moves = 0
        """The same where it is positions, arrivals and assignments that it waits for."""

    def free(self, row: Row, who: object, *, alone: bool) -> bool:
        """Whether nobody else holds a row so that `who` cannot."""
        holders = self.locks.get(row)
        return not holders or all(one is who or not (alone or held_alone) for one, held_alone in holders.items())

    def transaction(self, *, rehearsal: bool = False) -> "ScheduledTransaction":
        return ScheduledTransaction(self, rehearsal)

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        await STEP
        await self.inner.insert_accounts(account_ids)
        await STEP

    async def claim_positions(self, partitions: Sequence[tuple[str, int]], owner: str) -> list[Position]:
        found = []
        async with self.transaction() as transaction:
            for place in sorted(self.tables.positions.keys() & partitions):
                await transaction.lock(("position", place))
                claimed = self.tables.positions[place]
                found.append(claimed._replace(epoch=claimed.epoch + 1))
            await transaction.write(Changes(positions=found))
        return found

    async def position_owners(self, partitions: Sequence[tuple[str, int]]) -> list[str]:
        await STEP
        return []  # names are of processes, and these are none

    async def dead_letter_windows(self, partitions: Sequence[tuple[str, int]]) -> list[DeadLetterWindowRow]:
        await STEP
        return [
            self.tables.dead_letter_windows[place] for place in partitions if place in self.tables.dead_letter_windows
        ]

    async def positions(self) -> list[Position]:
        await STEP
        return list(self.tables.positions.values())

    async def compared_partitions(self, until: Instant) -> None:
        await STEP
        before = self.tables.compared_until
        if before is None or until > before:
            self.tables.compared_until = until
            self.changes += 1

    async def notify_watermark(self) -> None:
        await STEP

    async def notify_relay_ended(self) -> None:
        await STEP

    def free_fanouts(self) -> list[str]:
        """The companies whose fan-out can be claimed, whose lease ended first before the others."""
        leases = self.tables.leases
        return [key for key in self.tables.ready_fanouts() if leases.get(key, 0) <= self.steps]

    async def quarantine_fanout(self, fanout: Fanout, why: str) -> None:
        await STEP
        await self.inner.quarantine_fanout(fanout, why)

    async def retry_fanouts(self) -> list[str]:
        await STEP
        found = sorted(self.tables.quarantined_fanouts)
        for key in found:
            self.tables.fanouts[key] = self.tables.fanouts[key]._replace(cursor="", deferred=False)
            self.tables.leases.pop(key, None)
        self.tables.quarantined_fanouts.clear()
        return found

    async def quarantined(self, after: str, limit: int) -> list[tuple[str, str]]:
        await STEP
        rows = self.tables.accounts
        found = sorted(each for each, row in rows.items() if row.quarantined is not None and each > after)
        return [(each, rows[each].quarantined or "") for each in found[:limit]]

    async def claim_fanout(self, lease_seconds: float) -> Fanout | None:
        await STEP
        for key in self.free_fanouts():
            if self.free(("fanout", key), None, alone=True):
                self.tables.leases[key] = self.steps + LEASE_STEPS
                return self.tables.fanouts[key]
        return None

    async def read_log(self, shard: int, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[LogRow]:
        await STEP
        rows = self.tables.log[shard][after : after + limit]
        before = accumulate((len(row.value) for row in rows), initial=0)
        return [row for row, size in zip(rows, before, strict=False) if size < most_bytes]

    async def log_row_hash(self, shard: int, seq: int) -> bytes | None:
        await STEP
        rows = self.tables.log[shard]
        return rows[seq - 1].hash if 0 < seq <= len(rows) else None


class ScheduledTransaction:
    """`workers.store.postgres.Transaction`: locks until its end, and writes that are seen after it."""

    def __init__(self, store: ScheduledStore, rehearsal: bool) -> None:
        self.store = store
        self.tables = store.tables
        self._inner = MemoryTransaction(store.tables)
        self._rehearsal = rehearsal
        self._held: list[Row] = []
        self._moves = False

    async def __aenter__(self) -> "ScheduledTransaction":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._rehearsal:
                await STEP  # a worker that ends here has written nothing
                self._inner.commit()
        finally:
            for row in self._held:
                del self.store.locks[row][self]
            self.store.changes += bool(self._held)
            self.store.moves += self._moves
        if kind is None:
            await STEP  # a worker that ends here has written all, and does not know it

    async def lock(self, row: Row, *, alone: bool = True) -> None:
        """Wait until no other transaction has locked the row, then lock it to the end of the transaction."""
        await self._wait(row, alone=alone)
        self._hold(row, alone=alone)

    async def _wait(self, row: Row, *, alone: bool) -> None:
        if not self.store.free(row, self, alone=alone):
            await Step(lambda: self.store.free(row, self, alone=alone), locked=True)

    def _hold(self, row: Row, *, alone: bool) -> None:
        holders = self.store.locks.setdefault(row, {})
        if self not in holders:
            self._held.append(row)
        holders[self] = alone or holders.get(self, False)

    async def lock_positions(self, expected: Sequence[Position]) -> None:
        await STEP
        await self._inner.lock_positions(expected)  # waits for nobody where one is not as expected
        for each in sorted(expected, key=lambda position: position[:2]):
            await self.lock(("position", each[:2]))
            await self._inner.lock_positions([each])

    async def progress(self, moved: Sequence[Position] = ()) -> Progress:
        await STEP
        return await self._inner.progress(moved)

    async def move_clocks(self, moves: ClockMoves) -> set[str]:
        await STEP
        quiet, moved = moved_clocks(self.tables, moves), set()
        for each in moves.rows:
            if each[0] in quiet:  # the others are neither waited for nor locked
                row: Row = ("account", each[0])
                await self._wait(row, alone=True)
                if await self._inner.move_clocks(replace(moves, rows=[each])):  # it is still quiet after the wait
                    self._hold(row, alone=True)
                    moved.add(each[0])
        return moved

    async def lock_accounts(self, account_ids: Sequence[str], *, wait: bool = True) -> list[AccountRow]:
        await STEP
        if not wait and not all(self.store.free(("account", each), self, alone=True) for each in account_ids):
            raise AccountsLocked
        unknown = [each for each in account_ids if each not in self.tables.accounts]
        for account_id in sorted(set(account_ids).difference(unknown)):
            await self.lock(("account", account_id))
        if unknown:
            raise UnknownAccounts(unknown)
        return await self._inner.lock_accounts(account_ids)

    async def claim_due(self, watermark: Instant, limit: int) -> list[AccountRow]:
        await STEP
        due = self.tables.due(watermark)
        claimed = [row for row in due if self.store.free(("account", row.account_id), self, alone=True)][:limit]
        for row in claimed:
            self._hold(("account", row.account_id), alone=True)
        return claimed

    async def next_members(self, company_key: str, after: str, limit: int) -> list[str]:
        await STEP
        return await self._inner.next_members(company_key, after, limit)

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        await STEP
        return await self._inner.histories(rows)

    async def companies(self, keys: Sequence[str], lock: str) -> dict[str, CompanyRow]:
        if not keys:
            return {}
        await STEP
        if lock != "none":
            for key in sorted(keys):
                if key not in self.tables.companies:  # somebody may be about to insert it
                    await self._wait(("company", key), alone=True)
                if key not in self.tables.companies:  # an inserted row is locked until the transaction ends
                    self._hold(("company", key), alone=True)
            await STEP
            for key in sorted(keys):
                await self.lock(("company", key), alone=lock == "update")
        return await self._inner.companies(keys, lock)

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        await STEP
        return await self._inner.published_of_companies(keys)

    async def undecided_members(self, company_key: str) -> int:
        await STEP
        return await self._inner.undecided_members(company_key)

    async def count_decisions(self, decisions: Sequence[tuple[str, str]]) -> int:
        await STEP
        return await self._inner.count_decisions(decisions)

    async def fanout_causes(self, keys: Sequence[str]) -> dict[str, str]:
        await STEP
        return await self._inner.fanout_causes(keys)

    async def lock_fanout(self, fanout: Fanout) -> bool:
        await self.lock(("fanout", fanout.company_key))
        return await self._inner.lock_fanout(fanout)

    async def move_fanout(self, before: Fanout, after: Fanout) -> None:
        await self.lock(("fanout", before.company_key))
        await self._inner.move_fanout(before, after)

    async def end_fanout(self, fanout: Fanout) -> None:
        await self.lock(("fanout", fanout.company_key))
        await self._inner.end_fanout(fanout)

    async def write(self, changes: Changes) -> None:
        await STEP
        for fanout, _ in changes.fanouts_moved:
            await self.lock(("fanout", fanout.company_key))
        for key, _, _ in sorted(changes.fanouts):
            await self.lock(("fanout", key))
        self._moves = self._moves or bool(changes.positions)
        await self._inner.write(changes)

    async def lock_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        await STEP
        for shard in sorted(shards):
            await self.lock(("shard", shard))
        return await self._inner.lock_shards(shards)

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        await STEP
        await self._inner.append(rows, heads)


def run_alone(work: Awaitable[Any]) -> Any:
    """Run something to its end while nobody else does anything."""
    steps = work.__await__()
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            return done.value
        assert step is None or step.free is None or step.free(), "waits for a lock that nobody will let go"
