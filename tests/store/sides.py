"""The two stores as one test sees them: called alike, waited for alike, and read whole.

Owns what is beside the methods of a store: how asyncio runs the one in memory, whether a transaction waits for a
lock, and all tables as plain rows. It must not even out a difference between what the methods do.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from contracts.topics import INPUT_TOPICS
from tests.support.database_deployment import SHARDS
from tests.support.scheduled_store import LEASE_STEPS, ScheduledStore
from workers.enforcement.unit_of_work import UnitOfWork
from workers.store.postgres import Store

PLACES = [(topic, number) for topic in INPUT_TOPICS for number in range(2)]
LIMIT_SECONDS = 10.0
LISTENED = ("standing_watermark", "standing_log", "standing_fanout")

Tables = dict[str, list[tuple[Any, ...]]]


class Side(ABC):
    """One store, and what a test does with it that no worker does."""

    store: "Store | InTurns"

    @abstractmethod
    async def tables(self) -> Tables:
        """All rows that are committed, by table, sorted."""

    @abstractmethod
    async def lapse(self) -> None:
        """The leases of all fan-outs run out."""

    @abstractmethod
    async def waiting(self) -> bool:
        """Whether a transaction waits for a lock that another holds."""

    @abstractmethod
    async def woken(self, channel: str) -> bool:
        """Whether a waiter for such a change was notified since the test began."""

    async def waits(self, task: asyncio.Task[Any]) -> None:
        """Return once the task waits for a lock."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await self.waiting():
                assert not task.done(), "did not wait for a lock"
                await asyncio.sleep(0.002)

    async def wakes(self, channel: str) -> None:
        """Return when a waiter for such a change is woken."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await self.woken(channel):  # noqa: ASYNC110  # the store in memory sets no event
                await asyncio.sleep(0.002)


# -- in memory ---------------------------------------------------------------------------------------------


@dataclass
class Turns:
    """Runs the steps of the store in memory, several transactions in turn."""

    waiting: int = 0

    async def take(self, work: Awaitable[Any]) -> Any:
        steps = work.__await__()
        while True:
            try:
                step = next(steps)
            except StopIteration as done:
                return done.value
            if step.free is not None and not step.free():
                self.waiting += 1
                try:
                    while not step.free():  # noqa: ASYNC110  # no lock in memory tells that it is free
                        await asyncio.sleep(0)
                finally:
                    self.waiting -= 1


@dataclass
class InTurns:
    """A store or a transaction in memory, every method of which asyncio can run."""

    inner: Any
    turns: Turns = field(default_factory=Turns)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        return lambda *given, **named: self.turns.take(method(*given, **named))

    def transaction(self) -> "InTurns":
        return InTurns(self.inner.transaction(), self.turns)

    async def __aenter__(self) -> Self:
        await self.turns.take(self.inner.__aenter__())
        return self

    async def __aexit__(self, *how: object) -> None:
        await self.turns.take(self.inner.__aexit__(*how))


class InMemory(Side):
    """The store of `standing replay` and of the simulator."""

    def __init__(self) -> None:
        self.memory = ScheduledStore(PLACES, SHARDS)
        self._in_turns = InTurns(self.memory)
        self.store = self._in_turns

    async def tables(self) -> Tables:
        tables = self.memory.tables
        spans = [
            (name, span.first.at, span.first.order_id, span.last.at, span.last.order_id)
            for name, found in tables.spans.items()
            for span in found.values()
        ]
        return {
            "positions": sorted(map(tuple, tables.positions.values())),
            "compared": [(tables.compared_until,)],
            "dead_letter_windows": sorted(map(tuple, tables.dead_letter_windows.values())),
            "accounts": sorted(map(tuple, tables.accounts.values())),
            "facts": sorted(tuple(fact) for facts in tables.facts.values() for fact in facts.values()),
            "order_spans": sorted(spans),
            "current_decisions": sorted(tuple(row) for rows in tables.in_force.values() for row in rows.values()),
            "companies": sorted(map(tuple, tables.companies.values())),
            "memberships": sorted((key, each) for key, found in tables.memberships.items() for each in found),
            "fanouts": sorted(
                (*fanout, key in tables.leases, tables.quarantined_fanouts.get(key))
                for key, fanout in tables.fanouts.items()
            ),
            "decision_log": sorted(tuple(row) for rows in tables.log.values() for row in rows),
            "shards": sorted(map(tuple, tables.heads.values())),
        }

    async def lapse(self) -> None:
        self.memory.steps += LEASE_STEPS

    async def waiting(self) -> bool:
        return self._in_turns.turns.waiting > 0

    async def woken(self, channel: str) -> bool:
        return self.memory.changes + self.memory.moves > 0


# -- in PostgreSQL -----------------------------------------------------------------------------------------

_TABLES = {
    "positions": "select topic, partition, next_offset, epoch, watermark, latest_occurred_at from positions",
    "compared": "select partitions_compared_until from deployment",
    "dead_letter_windows": "select * from dead_letter_windows",
    "accounts": "select * from accounts left join account_clocks using (account_id)",
    "facts": "select * from facts",
    "order_spans": "select * from order_spans",
    "current_decisions": "select of_company, subject, decision_id::text, kind, effective_at, sequence, content"
    " from current_decisions",
    "companies": "select * from companies",
    "memberships": "select * from memberships",
    "fanouts": "select company_key, version, cursor, deferred, because, lease_until is not null, quarantined"
    " from company_fanouts",
    "decision_log": "select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind,"
    " effective_at, recorded_at from decision_log",
    "shards": "select * from shards",
}
_WAITING = (
    "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
)
_EMPTY = """
truncate accounts, account_clocks, facts, order_spans, current_decisions, companies, memberships, company_fanouts,
    decision_log, dead_letter_windows;
update positions set next_offset = 0, epoch = 0, owner = null, watermark = null, latest_occurred_at = null;
update shards set next_seq = 1, last_hash = '';
update deployment set partitions_compared_until = null;
"""


class InPostgres(Side):
    """The store of the live engine."""

    def __init__(self, store: Store, listening: Any) -> None:
        self.store = store
        self._listening = listening
        self._heard: set[str] = set()

    async def begin(self) -> None:
        """As a deployment that was just set up."""
        await self.store.pool.execute(_EMPTY)
        for channel in LISTENED:
            await self._listening.add_listener(channel, self._hear)

    async def end(self) -> None:
        """Stop listening."""
        for channel in LISTENED:
            await self._listening.remove_listener(channel, self._hear)

    def _hear(self, _connection: object, _process: object, channel: str, _payload: object) -> None:
        self._heard.add(channel)

    async def tables(self) -> Tables:
        rows = {name: await self.store.pool.fetch(query) for name, query in _TABLES.items()}
        return {name: sorted(map(tuple, found)) for name, found in rows.items()}

    async def lapse(self) -> None:
        await self.store.pool.execute("update company_fanouts set lease_until = lease_until - interval '1 day'")

    async def waiting(self) -> bool:
        return bool(await self.store.pool.fetchval(_WAITING))

    async def woken(self, channel: str) -> bool:
        return channel in self._heard


async def in_one(side: Side, name: str, *given: Any) -> Any:
    """One method of a transaction, in one of its own."""
    async with side.store.transaction() as transaction:
        return await getattr(transaction, name)(*given)


async def locked(transaction: UnitOfWork | InTurns, account_ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Accounts, locked, as plain rows."""
    return [tuple(row) for row in await transaction.lock_accounts(account_ids)]
