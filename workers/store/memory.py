"""The store in memory, with PostgreSQL's locks and visibility: for `standing replay`, and for the simulator.

Every call is a step, at which a scheduler may let another worker go on or end this one; `run_alone` is the
scheduler of who is alone. What a transaction writes is seen by others, all of it at once, when it commits. Owns
no rule; the invariants of the real tables (keys that are unique, a log without gaps) are asserted on writing.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any

from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.store.memory_tables import Tables, apply, greatest
from workers.store.postgres import READ_BYTES, LostOwnership, UnknownAccounts
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
    StoredHistory,
)

Row = tuple[str, Any]
LEASE_STEPS = 60
"""How long a spread's lease holds, in steps of the scheduler."""


class Step:
    """A point at which another worker may go on, or this one end; it goes on once it is `free` to."""

    __slots__ = ("free", "locked")

    def __init__(self, free: Callable[[], bool] | None = None, *, locked: bool = False) -> None:
        self.free = free
        self.locked = locked

    def __await__(self) -> Generator["Step", None, None]:
        yield self


STEP = Step()


class MemoryStore:
    """`workers.store.postgres.Store` over tables in memory."""

    def __init__(self, places: Iterable[tuple[str, int]], shards: int) -> None:
        self.tables = Tables(
            {place: Position(*place, 0, 0, None, None) for place in places},
            {shard: ShardHead(shard, 1, b"") for shard in range(shards)},
            log={shard: [] for shard in range(shards)},
        )
        self.locks: dict[Row, dict[object, bool]] = {}
        """Who holds each row: by transaction, whether alone."""
        self.steps = 0
        self.changes = 0
        """Grows whenever a worker that waits for something should look again."""
        self.moves = 0
        """The same where it is positions, arrivals and assignments that it waits for."""

    def free(self, row: Row, who: object, *, alone: bool) -> bool:
        """Whether nobody else holds a row so that `who` cannot."""
        holders = self.locks.get(row)
        return not holders or all(one is who or not (alone or held_alone) for one, held_alone in holders.items())

    def transaction(self) -> "MemoryTransaction":
        return MemoryTransaction(self)

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        await STEP
        for account_id in account_ids:
            self.tables.accounts.setdefault(account_id, AccountRow(account_id))
        await STEP

    async def claim_positions(self, partitions: Sequence[tuple[str, int]], owner: str) -> list[Position]:
        found = []
        async with self.transaction() as transaction:
            for place in sorted(self.tables.positions.keys() & partitions):
                await transaction.lock(("position", place))
                claimed = self.tables.positions[place]
                found.append(claimed._replace(epoch=claimed.epoch + 1))
            transaction.positions = {(each.topic, each.partition): each for each in found}
        return found

    async def position_owners(self, partitions: Sequence[tuple[str, int]]) -> list[str]:
        await STEP
        return []  # names are of processes, and these are none

    async def rejects(self, partitions: Sequence[tuple[str, int]]) -> list[RejectsRow]:
        await STEP
        return [self.tables.rejects[place] for place in partitions if place in self.tables.rejects]

    async def positions(self) -> list[Position]:
        await STEP
        return list(self.tables.positions.values())

    async def compared_partitions(self, until: Instant) -> None:
        await STEP
        before = self.tables.compared_until
        if before is None or until > before:
            self.tables.compared_until = until
            self.changes += 1

    async def notify_horizon(self) -> None:
        await STEP

    def free_spreads(self) -> list[str]:
        """The companies whose spread can be claimed, whose lease ended first before the others."""
        tables = self.tables
        ordered = sorted(tables.spreads, key=lambda key: (tables.leases.get(key, 0), key))
        return [key for key in ordered if tables.leases.get(key, 0) <= self.steps and not self._rests(key)]

    def _rests(self, key: str) -> bool:
        """Whether a spread cannot go on: it was quarantined, or waits for undecided members."""
        tables = self.tables
        return key in tables.quarantined_spreads or (tables.spreads[key].waits and tables.undecided(key) > 0)

    async def quarantine_spread(self, spread: Spread, why: str) -> None:
        await STEP
        stored = self.tables.spreads.get(spread.company_key)
        if stored is not None and stored[:3] == spread[:3]:
            self.tables.quarantined_spreads[spread.company_key] = why
            self.tables.leases.pop(spread.company_key, None)

    async def retry_spreads(self) -> list[str]:
        await STEP
        found = sorted(self.tables.quarantined_spreads)
        for key in found:
            self.tables.spreads[key] = self.tables.spreads[key]._replace(cursor="", waits=False)
            self.tables.leases.pop(key, None)
        self.tables.quarantined_spreads.clear()
        return found

    async def quarantined(self, after: str, limit: int) -> list[tuple[str, str]]:
        await STEP
        rows = self.tables.accounts
        found = sorted(each for each, row in rows.items() if row.quarantined is not None and each > after)
        return [(each, rows[each].quarantined or "") for each in found[:limit]]

    async def claim_spread(self, lease_seconds: float) -> Spread | None:
        await STEP
        for key in self.free_spreads():
            if self.free(("spread", key), None, alone=True):
                self.tables.leases[key] = self.steps + LEASE_STEPS
                return self.tables.spreads[key]
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


class MemoryTransaction:
    """`workers.store.postgres.Transaction`: locks until its end, and writes that are seen after it."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.tables = store.tables
        self.positions: dict[tuple[str, int], Position] = {}
        self._held: list[Row] = []
        self._writes: list[Callable[[], None]] = []

    async def __aenter__(self) -> "MemoryTransaction":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await STEP  # whoever ends here has written nothing
                self.tables.positions |= self.positions
                for write in self._writes:
                    write()
        finally:
            for row in self._held:
                del self.store.locks[row][self]
            self.store.changes += bool(self._held)
            self.store.moves += bool(self.positions)
        if kind is None:
            await STEP  # whoever ends here has written all, and does not know it

    async def lock(self, row: Row, *, alone: bool = True) -> None:
        """Wait until nobody else holds the row, then hold it to the end of the transaction."""
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

    async def advance(self, advances: Sequence[Advance]) -> None:
        await STEP
        for each in advances:
            self._believed(each)  # waits for nobody where it is not
        for each in sorted(advances, key=lambda advance: advance[:2]):
            await self.lock(("position", each[:2]))
            stored = self._believed(each)
            self.positions[each[:2]] = stored._replace(
                next_offset=each.next_offset,
                complete_until=greatest(stored.complete_until, each.complete_until),
                latest_occurred_at=greatest(stored.latest_occurred_at, each.latest_occurred_at),
            )

    def _believed(self, each: Advance) -> Position:
        stored = self.tables.positions.get(each[:2])
        if stored is None or (stored.next_offset, stored.epoch) != (each.fetched_from, each.epoch):
            raise LostOwnership(f"{each.topic}/{each.partition}")
        return stored

    async def save_rejects(self, rows: Sequence[RejectsRow]) -> None:
        self._writes.append(lambda: self.tables.rejects.update({each[:2]: each for each in rows}))

    async def progress(self) -> Progress:
        await STEP
        positions = (self.tables.positions | self.positions).values()
        read = [each.complete_until for each in positions if each.topic != "account-requests"]
        known = [each for each in read if each is not None]
        latest = max((at for each in positions if (at := each.latest_occurred_at) is not None), default=None)
        return Progress(min(known) if len(known) == len(read) else None, self.tables.compared_until, latest, None)

    async def lock_accounts(self, account_ids: Sequence[str]) -> list[AccountRow]:
        await STEP
        unknown = [each for each in account_ids if each not in self.tables.accounts]
        for account_id in sorted(set(account_ids).difference(unknown)):
            await self.lock(("account", account_id))
        if unknown:
            raise UnknownAccounts(unknown)
        return [self.tables.accounts[account_id] for account_id in sorted(account_ids)]

    async def claim_due(self, horizon: Instant, limit: int) -> list[AccountRow]:
        await STEP
        due = [
            (row.wake_at, row.account_id)
            for row in self.tables.accounts.values()
            if row.wake_at is not None
            and row.wake_at <= horizon
            and row.quarantined is None
            and self.store.free(("account", row.account_id), self, alone=True)
        ]
        claimed = [self.tables.accounts[account_id] for _, account_id in sorted(due)[:limit]]
        for row in claimed:
            self._hold(("account", row.account_id), alone=True)
        return claimed

    async def histories(self, rows: Sequence[AccountRow]) -> dict[str, StoredHistory]:
        await STEP
        found = {}
        for row in rows:
            facts = list(self.tables.facts.get(row.account_id, {}).values())
            stored = self.tables.spans.get(row.account_id, {})
            spans = [stored[first] for first in sorted(stored)]
            found[row.account_id] = StoredHistory(facts, spans, self._published(False, row.account_id))
            found[row.account_id].end_where(row)
        return found

    async def published_of_companies(self, keys: Sequence[str]) -> dict[str, list[Published]]:
        await STEP
        return {key: found for key in keys if (found := self._published(True, key))}

    def _published(self, of_company: bool, subject: str) -> list[Published]:
        rows = self.tables.net.get((of_company, subject), {}).values()
        return [Published(row.decision_id, row.kind, row.effective_at, row.sequence, row.content) for row in rows]

    async def companies(self, keys: Sequence[str], lock: str) -> dict[str, CompanyRow]:
        if not keys:
            return {}
        await STEP
        known = self.tables.companies
        if lock == "none":
            return {key: known[key] for key in keys if key in known}
        for key in sorted(keys):
            if key not in known:  # somebody may be about to insert it
                await self._wait(("company", key), alone=True)
            if key not in known:  # whoever inserts a row holds it alone until all can see it
                self._hold(("company", key), alone=True)
                self._writes.append(lambda key=key: known.setdefault(key, CompanyRow(key)) and None)  # type: ignore[misc]
        await STEP
        for key in sorted(keys):
            await self.lock(("company", key), alone=lock == "update")
        return {key: known.get(key, CompanyRow(key)) for key in keys}

    async def next_members(self, company_key: str, after: str, limit: int) -> list[str]:
        await STEP
        return sorted(each for each in self.tables.memberships.get(company_key, ()) if each > after)[:limit]

    async def undecided_members(self, company_key: str) -> int:
        await STEP
        return self.tables.undecided(company_key)

    async def count_decisions(self, decisions: Sequence[tuple[str, str]]) -> int:
        await STEP
        return sum(each in self.tables.net.get((False, account_id), {}) for account_id, each in decisions)

    async def spread_causes(self, keys: Sequence[str]) -> dict[str, str]:
        await STEP
        return {key: self.tables.spreads[key].because for key in keys if key in self.tables.spreads}

    async def rearm(self, moved: Sequence[tuple[str, Instant]]) -> None:
        await STEP
        accounts = self.tables.accounts

        def rearm(account_id: str, wake_at: Instant) -> None:
            accounts[account_id] = accounts[account_id]._replace(wake_at=wake_at)

        for account_id, wake_at in moved:
            self._writes.append(lambda of=account_id, at=wake_at: rearm(of, at))  # type: ignore[misc]

    async def write(self, changes: Changes) -> None:
        await STEP
        for key, _, _ in sorted(changes.spreads):
            await self.lock(("spread", key))
        self._writes.append(lambda: apply(self.tables, changes))

    async def hold_spread(self, spread: Spread) -> bool:
        await self.lock(("spread", spread.company_key))
        return self._is_where(spread)

    def _is_where(self, spread: Spread) -> bool:
        stored = self.tables.spreads.get(spread.company_key)
        return stored is not None and stored[:3] == spread[:3]

    async def move_spread(self, before: Spread, after: Spread) -> None:
        await self.lock(("spread", before.company_key))

        def move() -> None:
            if self._is_where(before):
                because = self.tables.spreads[before.company_key].because
                self.tables.spreads[before.company_key] = after._replace(because=because)
                self.tables.leases.pop(before.company_key, None)

        self._writes.append(move)

    async def end_spread(self, spread: Spread) -> None:
        await self.lock(("spread", spread.company_key))

        def end() -> None:
            if self._is_where(spread):
                del self.tables.spreads[spread.company_key]
                self.tables.leases.pop(spread.company_key, None)
                self.tables.quarantined_spreads.pop(spread.company_key, None)

        self._writes.append(end)

    async def take_shards(self, shards: Sequence[int]) -> list[ShardHead]:
        await STEP
        for shard in sorted(shards):
            await self.lock(("shard", shard))
        return [self.tables.heads[shard] for shard in sorted(shards)]

    async def append(self, rows: Sequence[LogRow], heads: Sequence[ShardHead]) -> None:
        await STEP

        def extend() -> None:
            for row in rows:
                log = self.tables.log[row.shard]
                assert row.seq == len(log) + 1, f"row {row.seq} of shard {row.shard} after {len(log)}"
                log.append(row)
            self.tables.heads |= {head.shard: head for head in heads}

        self._writes.append(extend)


def run_alone(work: Awaitable[Any]) -> Any:
    """Run something to its end while nobody else does anything."""
    steps = work.__await__()
    while True:
        try:
            step = next(steps)
        except StopIteration as done:
            return done.value
        assert step is None or step.free is None or step.free(), "waits for a lock that nobody will let go"
