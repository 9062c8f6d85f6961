"""The same random transactions on both stores: each gives the same in both, and at the end all tables are the same.

Every transaction does what the engine may do, in its order, to whatever is there; some are begun by who lost a
partition, meet unknown accounts or fail at their end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest

from tests.store.sides import PLACES, InMemory, InPostgres, Side
from tests.support.database_deployment import SHARDS
from workers.recovery.memory_tables import Tables
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store.postgres import LostOwnership, UnknownAccounts
from workers.store.records import (
    AccountRow,
    Changes,
    ClockMoves,
    CompanyRow,
    CurrentDecision,
    DeadLetterWindowRow,
    Fanout,
    LogRow,
    Position,
    ShardHead,
    StoredFact,
)

ACCOUNTS = [f"a{number}" for number in range(12)]
COMPANIES = ["c1", "c2", "c3", "a1"]
TRANSACTIONS = 150
LEASE = 600.0

Item = TypeVar("Item")
Call = tuple[Any, ...]
"""A method and what it is given."""


class Fails(Exception):
    """The end of a transaction that shall not come about."""


@dataclass
class Maker:
    """Makes transactions that are possible, given what is committed."""

    random: Random
    tables: Tables
    made: int = 0

    def some(self, of: Iterable[Item], most: int = 3) -> list[Item]:
        """A few of these, in any order."""
        found = list(of)
        return self.random.sample(found, self.random.randint(0, min(most, len(found))))

    def new(self) -> int:
        """A number that was not there before."""
        self.made += 1
        return self.made

    def at(self) -> int | None:
        """An instant, no two alike: the order of what is due at one instant is nobody's business."""
        return None if self.random.random() < 0.2 else self.random.randrange(1000) * 1_000_000 + self.new()

    def calls(self) -> list[Call]:
        """One transaction: a batch, deadlines that are due, or a part of a fan-out."""
        kind = self.random.choice(["batch", "batch", "batch", "deadline", "fanout"])
        if kind == "fanout" and self.tables.fanouts:
            return self.fanout()
        return self.deadline() if kind == "deadline" else self.batch()

    def batch(self) -> list[Call]:
        ids = self.some(ACCOUNTS, 5)
        known = [self.tables.accounts[each] for each in ids if each in self.tables.accounts]
        keys, lock = self.some(COMPANIES), self.random.choice(["none", "share", "update"])
        changes = self.changes(known, keys if lock == "update" else [])
        changes.windows = [DeadLetterWindowRow(*place, self.new(), "[]", 0, None) for place in self.some(PLACES)]
        before = [self.position(place) for place in self.some(PLACES)]
        changes.positions = [self.moved(each) for each in before]
        return [
            ("lock_positions", before),
            ("move_clocks", self.moves({*ACCOUNTS, "unknown"} - set(ids))),
            ("lock_accounts", ids),
            ("histories", known),
            ("progress", changes.positions),
            ("companies", keys, lock),
            ("published_of_companies", self.some(COMPANIES)),
            ("write", changes),
            *self.append(),
        ]

    def moves(self, account_ids: set[str]) -> ClockMoves:
        """Orders about the instants that the rows have, of accounts with and without a row."""
        rows = []
        for account_id in sorted(self.some(sorted(account_ids), 8)):
            row = self.tables.accounts.get(account_id, AccountRow(account_id))
            near = [at for at in (row.span_start, row.last_effective_at, row.quiet_until) if at is not None] or [9]
            first = self.random.choice(near) + self.random.randint(-1, 2)
            last = max(first, self.random.choice(near) + self.random.randint(-1, 2))
            rows.append((account_id, first, last, f"o{self.new()}"))
        return ClockMoves(rows, self.random.choice([0, 5 * 10**8, 10**9 + self.made // 2]), self.at())

    def deadline(self) -> list[Call]:
        watermark, limit = self.random.randrange(1000) * 1_000_000, self.random.choice([1, 3, 100])
        due = [row for row in self.tables.accounts.values() if row.next_check is not None and row.quarantined is None]
        soonest = sorted(
            (row for row in due if (row.next_check or 0) <= watermark), key=lambda row: row.next_check or 0
        )
        rearmed = self.some(soonest[:limit])
        moved = [(row.account_id, at, self.at()) for row in rearmed if (at := self.at()) is not None]
        judged = [row for row in soonest[:limit] if row not in rearmed]
        return [
            ("progress",),
            ("claim_due", watermark, limit),
            ("write", Changes(rearmed=moved)),
            ("histories", judged),
            ("write", self.changes(judged, [])),
            *self.append(),
        ]

    def fanout(self) -> list[Call]:
        fanout = self.random.choice(list(self.tables.fanouts.values()))
        version = fanout.version - (self.random.random() < 0.3)
        claimed = fanout._replace(version=version)
        moved = fanout._replace(
            version=self.new(), cursor=self.random.choice(ACCOUNTS), deferred=self.random.random() < 0.5
        )
        members = sorted(self.tables.memberships.get(fanout.company_key, ()))
        net = [(row.subject, row.decision_id) for rows in self.tables.in_force.values() for row in rows.values()]
        return [
            ("next_members", fanout.company_key, fanout.cursor, self.random.randint(1, 4)),
            ("companies", [fanout.company_key], "update"),
            ("fanout_causes", COMPANIES),
            ("undecided_members", fanout.company_key),
            ("count_decisions", [*self.some(net), *((each, self.decision_id()) for each in members)]),
            ("lock_fanout", claimed),
            self.random.choice(
                [("move_fanout", claimed, moved), ("move_fanout", claimed, moved), ("end_fanout", claimed)]
            ),
            *self.append(),
        ]

    def claimed(self) -> Fanout:
        """A fan-out as it is, or as it was."""
        fanout = self.random.choice([*self.tables.fanouts.values(), Fanout("c1", 0, "", False, "")])
        return fanout._replace(version=fanout.version - (self.random.random() < 0.3))

    def position(self, place: tuple[str, int]) -> Position:
        stored = self.tables.positions[place]
        return stored._replace(next_offset=stored.next_offset + (self.random.random() < 0.05))

    def moved(self, before: Position) -> Position:
        following = before.next_offset + self.random.randint(0, 5)
        return before._replace(next_offset=following, watermark=self.at(), latest_occurred_at=self.at())

    def append(self) -> list[Call]:
        shards = self.some(range(SHARDS))
        rows, heads = [], []
        for shard in sorted(shards):
            seq = self.tables.heads[shard].next_seq
            for _ in range(self.random.randint(1, 3)):
                decision = self.random.choice([None, self.decision_id()])
                rows.append(LogRow(shard, seq, b"%d" % seq, "t", b"k", "{}", b"v", decision, "s", "k", self.at(), 9))
                seq += 1
            heads.append(ShardHead(shard, seq, rows[-1].hash))
        return [("lock_shards", shards), ("append", rows, heads)]

    def decision_id(self) -> str:
        return str(UUID(int=self.new()))

    def changes(self, rows: list[AccountRow], companies: list[str]) -> Changes:
        changes = Changes()
        for row in rows:
            at = self.new() + 10**9
            kind = self.random.choice(["begun", "judged", "nothing"])
            if kind == "begun" and not self.tables.spans.get(row.account_id):
                changes.begun.append((row.account_id, at, f"o{at}", self.at()))
            elif kind == "judged":
                self.judged(row, changes)
            self.decided(False, row.account_id, changes)
        for key in companies:
            self.decided(True, key, changes)
            changes.companies.append(CompanyRow(key, self.new(), self.new(), f"[{self.new()}]", "[]"))
        for key in self.some(COMPANIES, 2):
            changes.fanouts.append((key, self.new(), f"[{self.new()}]"))
            changes.memberships += [(key, each) for each in self.some(ACCOUNTS)]
        return changes

    def judged(self, row: AccountRow, changes: Changes) -> None:
        """The row, facts and spans of an account change; its last span ends where its row says."""
        name, random = row.account_id, self.random
        spans = self.tables.spans.get(name, {})
        removed = self.some(spans)
        changes.spans_removed += [(name, first) for first in removed]
        kept = [span for first, span in spans.items() if first not in removed]
        has_begun = row.span_start is not None and not kept  # what has begun does not end
        for _ in range(random.randint(int(has_begun), 2)):
            first, last = (EffectiveOrder(at, f"o{at}") for at in (self.new() + 10**9, self.new() + 10**9))
            kept.append(OrderSpan(first, last))
            changes.spans_added.append((name, kept[-1]))
        end = max(kept, key=lambda span: span.first.at).last if kept else None
        changes.facts += [
            StoredFact(name, topic, f"f{self.new()}", self.at() or -1, "{}")
            for topic in self.some(["complaints", "x"])
        ]
        changes.accounts.append(
            AccountRow(
                name,
                random.choice(["active", "suspended"]),
                random.random() < 0.1,
                self.at(),
                self.at(),
                self.new(),
                random.choice([None, b"said"]),
                "why" if random.random() < 0.1 else None,
                None if end is None else end.at - 1,
                None if end is None else end.at,
                None if end is None else end.order_id,
                None if end is None else end.at + random.choice([-1, 5, 10**10]),
            )
        )

    def decided(self, of_company: bool, subject: str, changes: Changes) -> None:
        """Some decisions are withdrawn, one of them perhaps published again, and some are new."""
        stands = self.tables.in_force.get((of_company, subject), {})
        withdrawn = self.some(stands)
        changes.withdrawn += [(of_company, subject, each) for each in withdrawn]
        ids = [*withdrawn[:1], *(self.decision_id() for _ in range(self.random.randint(0, 2)))]
        changes.published += [
            CurrentDecision(of_company, subject, each, "kind", self.new(), self.new(), b"%d" % self.new())
            for each in ids
        ]


@dataclass
class Played:
    """What one side gave to each call."""

    side: Side
    given: list[Any] = field(default_factory=list)

    async def one(self, name: str, *given: Any) -> None:
        """A call outside of transactions."""
        self.given.append((name, plain(name, await getattr(self.side.store, name)(*given))))

    async def transaction(self, calls: list[Call], fails: bool) -> None:
        """A whole transaction, to its end or to its first error."""
        try:
            async with self.side.store.transaction() as transaction:
                for name, *given in calls:
                    self.given.append((name, plain(name, await getattr(transaction, name)(*given))))
                if fails:
                    raise Fails
        except UnknownAccounts as unknown:
            self.given.append((UnknownAccounts, sorted(unknown.account_ids)))
            await self.one("insert_accounts", unknown.account_ids)
        except (LostOwnership, Fails) as error:
            self.given.append(type(error))


def plain(name: str, result: Any) -> Any:
    """A result as plain values, sorted where no order is promised."""
    if name == "histories":
        by_id = {key: sorted(each.published, key=lambda row: row.decision_id) for key, each in result.items()}
        return {key: (sorted(each.facts), each.spans, by_id[key]) for key, each in result.items()}
    if name == "published_of_companies":
        return {key: sorted(rows, key=lambda row: row.decision_id) for key, rows in result.items()}
    if isinstance(result, list):
        rows = [row if isinstance(row, str) else tuple(row) for row in result]
        return sorted(rows) if name in {"claim_positions", "dead_letter_windows", "positions"} else rows
    return result


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_transactions_do_the_same_in_both_stores(
    seed: int, in_postgres: InPostgres, in_memory: InMemory
) -> None:
    random = Random(seed)  # noqa: S311
    maker = Maker(random, in_memory.memory.tables)
    names: set[object] = set()
    for _ in range(TRANSACTIONS):
        places, until = maker.some(PLACES), maker.at() or 0
        shard, after = random.randrange(SHARDS), random.randrange(40)
        outside: Call = random.choice(
            [
                ("claim_positions", places, "owner"),
                ("compared_partitions", until),
                ("dead_letter_windows", places),
                ("positions",),
                ("read_log", shard, after, 3),
                ("log_row_hash", shard, after),
                ("claim_fanout", LEASE),
                ("quarantine_fanout", maker.claimed(), "why"),
                ("retry_fanouts",),
                ("quarantined", random.choice(ACCOUNTS), 2),
            ]
        )
        fails, lapse = random.random() < 0.1, random.random() < 0.1
        in_memory.memory.steps += outside[0] == "claim_fanout"  # no two leases end together
        both = [Played(in_memory), Played(in_postgres)]
        for played in both:
            if lapse:
                await played.side.lapse()
            await played.one(*outside)
        calls = maker.calls()
        for played in both:
            await played.transaction(calls, fails)
        assert both[0].given == both[1].given
        names |= {each[0] if isinstance(each, tuple) else each for each in both[0].given}
    tables = await in_memory.tables()
    assert tables == await in_postgres.tables()
    assert all(tables.values()), "a table that nothing was written to"
    assert {
        UnknownAccounts,
        LostOwnership,
        Fails,
        "append",
        "end_fanout",
        "histories",
        "retry_fanouts",
    } <= names
