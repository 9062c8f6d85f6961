"""One unit of work, in memory: its locks in their order, and positions that follow from what was refused."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import pytest

from contracts.topics import INPUT_TOPICS
from tests.model.story import activation, case, enrolled, local, order
from tests.support.database_deployment import Broken, break_for, policies_of
from tests.support.policies import SAMPLE
from tests.support.rules_engine import Message, decode
from workers.codec.batch import Rejected
from workers.enforcement import evaluate
from workers.enforcement.position_moves import Move
from workers.enforcement.process import Done, Enforcement
from workers.enforcement.unit_of_work import UnitOfWork
from workers.ops.clock import WallClock
from workers.recovery.memory import MemoryStore, MemoryTransaction, run_alone
from workers.store.postgres import LostOwnership
from workers.store.records import Changes, DeadLetterWindowRow, Position

PLACES = [(topic, 0) for topic in INPUT_TOPICS]
REGISTRY, ORDERS = ("seller-accounts", 0), ("order-status", 0)
POLICIES = policies_of(SAMPLE.read_text())


@dataclass
class Watched:
    """A unit of work that tells which of its methods are called, in their order."""

    inner: Any
    calls: list[str]

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.inner, name)


@dataclass
class InMemory:
    """An engine over the store in memory."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(PLACES, 1))
    calls: list[str] = field(default_factory=list)

    def transaction(self, *, rehearsal: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        @asynccontextmanager
        async def watched() -> Any:
            async with self.store.transaction(rehearsal=rehearsal) as unit:
                yield Watched(unit, self.calls)

        return watched()

    async def insert_accounts(self, account_ids: Sequence[str]) -> None:
        await self.store.insert_accounts(account_ids)
        self.calls.clear()

    async def quarantine_fanout(self, *given: Any) -> None:
        await self.store.quarantine_fanout(*given)

    def reads(self, *messages: Message, partitions: Sequence[Any] = ()) -> Done:
        """One batch."""
        enforcement = Enforcement(self, POLICIES, WallClock(), 0, UUID(int=0), 1)
        self.calls.clear()
        return run_alone(enforcement.process_batch(decode(messages, POLICIES), partitions))

    def position(self, place: tuple[str, int]) -> Position:
        return self.store.tables.positions[place]


@dataclass
class Asked:
    """A partition whose move depends on what was refused."""

    before: Position
    refused: list[Rejected] = field(default_factory=list)

    def given(self, refused: Sequence[Rejected]) -> Move:
        self.refused = list(refused)
        window = DeadLetterWindowRow(*self.before[:2], 3, f"{[each.record.offset for each in refused]}", 0, None)
        after = self.before._replace(next_offset=3, latest_occurred_at=7 if refused else 9)
        return Move(self.before, after, window)


LOCKS = ("lock_positions", "lock_accounts", "companies", "write", "lock_shards")


def test_locks_are_taken_in_one_order_and_positions_are_written_with_all_else() -> None:
    engine = InMemory()
    moved = Move(engine.position(REGISTRY), engine.position(REGISTRY)._replace(next_offset=3))
    upheld = case("2016-04-01", category="refusal_of_trade_assurance")
    done = engine.reads(enrolled("2016-03-01"), upheld, partitions=[moved])
    assert [each for each in engine.calls if each in LOCKS] == list(LOCKS)
    assert done.moves == [moved]
    assert engine.store.tables.memberships == {"id:c": {"a"}}
    assert engine.position(REGISTRY).next_offset == 3


def test_orders_that_only_move_the_clock_lock_no_account_beforehand() -> None:
    engine = InMemory()
    engine.reads(enrolled("2016-03-01"))
    engine.reads(order("2016-03-02", order_id="o1"))
    move = Move(engine.position(ORDERS), engine.position(ORDERS)._replace(next_offset=1))
    done = engine.reads(order("2016-03-03", order_id="o2"), partitions=[move])
    assert engine.calls == ["lock_positions", "move_clocks", "write"]
    assert (done.accounts, done.fast, done.judged) == (1, 1, 0)


def test_a_partition_learns_of_its_refused_records_before_its_position_is_written() -> None:
    engine = InMemory()
    registry, orders = Asked(engine.position(REGISTRY)), Asked(engine.position(ORDERS))
    conflicting = enrolled("2016-03-02", company="d", event="e")
    done = engine.reads(enrolled("2016-03-01", event="e"), conflicting, partitions=[registry, orders])
    assert [(each.reason, each.record.offset) for each in registry.refused] == [("conflicting_duplicate", 1)]
    assert orders.refused == []
    assert done.reasons == {"conflicting_duplicate": 1}
    assert engine.position(REGISTRY).latest_occurred_at == 7
    assert engine.position(ORDERS).latest_occurred_at == 9
    assert engine.store.tables.dead_letter_windows[REGISTRY].dead == "[1]"


def test_a_batch_is_judged_by_the_watermark_that_it_reaches_itself() -> None:
    engine = InMemory()
    until = local("2016-12-01")
    engine.store.tables.compared_until = until
    moves = [Move(each, each._replace(watermark=until)) for each in engine.store.tables.positions.values()]
    done = engine.reads(enrolled("2016-03-01"), partitions=moves)
    assert done.kinds["account_suspended"] == 1
    [row] = engine.store.tables.accounts.values()
    assert row.judged_until == until


def test_a_batch_whose_position_is_not_as_expected_changes_nothing() -> None:
    engine = InMemory()
    stale = engine.position(ORDERS)._replace(epoch=1)
    with pytest.raises(LostOwnership, match="order-status/0"):
        engine.reads(order("2016-03-02"), partitions=[Move(stale, stale)])
    assert engine.store.tables.accounts == {}


NAMES = ["a", "b", "c", "d", "e"]


def test_an_account_that_cannot_be_evaluated_is_quarantined_and_nothing_else_of_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = InMemory()
    engine.reads(*(enrolled("2016-03-01", name, "k") for name in NAMES))
    break_for(monkeypatch, evaluate, "judge", "c")
    upheld = [case("2016-04-01", account=name, case_id=name, category="refusal_of_trade_assurance") for name in "bc"]
    done = engine.reads(*upheld, *(order("2016-04-02", name, f"o-{name}") for name in NAMES))
    tables = engine.store.tables
    assert done.quarantined.keys() == {"c"}
    assert engine.calls.count("lock_accounts") == 1, "found without a rehearsal"
    assert [name for name, row in tables.accounts.items() if row.quarantined is not None] == ["c"]
    assert [each.kind for each in tables.in_force[False, "c"].values()] == ["account_enrolled"]
    assert len(tables.facts["c"]) == 2
    terminations = [row for row in tables.log[0] if row.kind == "company_terminated"]
    assert [orjson.loads(row.value)["root_account_id"] for row in terminations] == ["b"]


def test_an_account_that_the_database_refuses_is_found_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = InMemory()
    engine.reads(*(enrolled("2016-03-01", name, name) for name in NAMES))
    write, tried = MemoryTransaction.write, 0

    async def refuses(self: MemoryTransaction, changes: Changes) -> None:
        nonlocal tried
        tried += 1
        if any(row.account_id == "c" and row.quarantined is None for row in changes.accounts):
            raise Broken("refused")
        await write(self, changes)

    monkeypatch.setattr(MemoryTransaction, "write", refuses)
    done = engine.reads(*(activation("2016-03-05", name, f"r-{name}") for name in NAMES))
    assert done.quarantined.keys() == {"c"}
    assert "Broken: refused" in done.quarantined["c"]
    assert done.kinds["activation_refused"] == 4
    assert tried == 6, "the work, all rehearsed, none, two halves, and the work without the account"
    assert {name: len(found) for name, found in engine.store.tables.facts.items()} == dict.fromkeys(NAMES, 2)
