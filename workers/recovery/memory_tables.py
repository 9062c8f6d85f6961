"""The committed tables of the store in memory, and how they apply a transaction's changes.

It asserts that keys are unique.
"""

from dataclasses import dataclass, field
from typing import Any

from contracts.topics import Partition
from workers.rules.calendar import Instant, latest_of
from workers.rules.facts import EffectiveOrder, OrderSpan
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


@dataclass(slots=True)
class Tables:
    """The committed rows."""

    positions: dict[Partition, Position]
    heads: dict[int, ShardHead]
    compared_until: Instant | None = None
    dead_letter_windows: dict[Partition, DeadLetterWindowRow] = field(default_factory=dict)
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    facts: dict[str, dict[tuple[str, str], StoredFact]] = field(default_factory=dict)
    spans: dict[str, dict[Instant, OrderSpan]] = field(default_factory=dict)
    in_force: dict[tuple[bool, str], dict[str, CurrentDecision]] = field(default_factory=dict)
    memberships: dict[str, set[str]] = field(default_factory=dict)
    companies: dict[str, CompanyRow] = field(default_factory=dict)
    fanouts: dict[str, Fanout] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    """The end of each leased fan-out's lease."""
    quarantined_fanouts: dict[str, str] = field(default_factory=dict)
    log: dict[int, list[LogRow]] = field(default_factory=dict)

    def undecided(self, company_key: str) -> int:
        """How many members and former members of a company have deferred facts or are quarantined."""
        rows = (self.accounts.get(each) for each in self.memberships.get(company_key, ()))
        return sum(row is not None and (row.deferred or row.quarantined is not None) for row in rows)

    def due(self, watermark: Instant) -> list[AccountRow]:
        """The accounts whose next check is due, soonest first."""
        found = [
            (row.next_check, row.account_id)
            for row in self.accounts.values()
            if row.next_check is not None and row.next_check <= watermark and row.quarantined is None
        ]
        return [self.accounts[account_id] for _, account_id in sorted(found)]

    def ready_fanouts(self) -> list[str]:
        """The companies whose fan-out is neither quarantined nor waiting for undecided members."""
        ordered = sorted(self.fanouts, key=lambda key: (self.leases.get(key, 0), key))
        return [key for key in ordered if not self._is_waiting(key)]

    def _is_waiting(self, key: str) -> bool:
        return key in self.quarantined_fanouts or (self.fanouts[key].deferred and self.undecided(key) > 0)


def moved_clocks(tables: Tables, moves: ClockMoves) -> dict[str, AccountRow]:
    """The rows of the accounts whose clocks `moves` moves."""
    found = {}
    for account_id, first_at, last_at, order_id in moves.rows:
        row = tables.accounts.get(account_id)
        if row is None or row.span_start is None or row.last_effective_at is None or row.quiet_until is None:
            continue
        if row.span_start < first_at and moves.since <= row.last_effective_at < last_at < row.quiet_until:
            quiet = latest_of(row.quiet_until, moves.quiet_until)
            found[account_id] = row._replace(last_effective_at=last_at, last_order_id=order_id, quiet_until=quiet)
    return found


def apply(tables: Tables, changes: Changes) -> None:
    """Apply all changes of one transaction, as the SQL statements do."""
    for account_id, at, order_id, quiet in changes.begun:
        row = tables.accounts[account_id]
        row = row._replace(span_start=at, last_effective_at=at, last_order_id=order_id, quiet_until=quiet)
        tables.accounts[account_id] = row
    for account_id, at, quiet in changes.rearmed:
        tables.accounts[account_id] = tables.accounts[account_id]._replace(next_check=at, quiet_until=quiet)
    tables.accounts |= {row.account_id: row for row in changes.accounts}
    _apply_histories(tables, changes)
    for of_company, subject, decision_id in changes.withdrawn:
        tables.in_force.get((of_company, subject), {}).pop(decision_id, None)
    for decision in changes.published:
        _insert(
            tables.in_force.setdefault((decision.of_company, decision.subject), {}), decision.decision_id, decision
        )
    _apply_companies(tables, changes)
    tables.dead_letter_windows |= {row[:2]: row for row in changes.windows}
    tables.positions |= {each[:2]: later(tables.positions[each[:2]], each) for each in changes.positions}


def _apply_histories(tables: Tables, changes: Changes) -> None:
    for fact in changes.facts:
        _insert(tables.facts.setdefault(fact.account_id, {}), (fact.topic, fact.id), fact)
    for account_id, first_at in changes.spans_removed:
        tables.spans.get(account_id, {}).pop(first_at, None)
    for account_id, span in changes.spans_added:
        _insert(tables.spans.setdefault(account_id, {}), span.first.at, span)
    for account_id, at, order_id, _ in changes.begun:
        order = EffectiveOrder(at, order_id)
        _insert(tables.spans.setdefault(account_id, {}), at, OrderSpan(order, order))


def _apply_companies(tables: Tables, changes: Changes) -> None:
    for key, account_id in changes.memberships:
        tables.memberships.setdefault(key, set()).add(account_id)
    tables.companies |= {row.company_key: row for row in changes.companies}
    for before, after in changes.fanouts_moved:
        move_fanout(tables, before, after)
    for key, version, because in changes.fanouts:
        stored = tables.fanouts.get(key)
        if stored is None or stored.deferred:
            tables.fanouts[key] = Fanout(key, version, "", False, because)
            tables.leases.pop(key, None)
        else:
            tables.fanouts[key] = stored._replace(because=because)
        tables.quarantined_fanouts.pop(key, None)


def is_unchanged(tables: Tables, fanout: Fanout) -> bool:
    """Whether a fan-out is the same as when it was claimed."""
    stored = tables.fanouts.get(fanout.company_key)
    return stored is not None and stored[:3] == fanout[:3]


def move_fanout(tables: Tables, before: Fanout, after: Fanout) -> None:
    """Move a fan-out, unless it changed since it was claimed."""
    if is_unchanged(tables, before):
        because = tables.fanouts[before.company_key].because
        tables.fanouts[before.company_key] = after._replace(because=because)
        tables.leases.pop(before.company_key, None)


def end_fanout(tables: Tables, fanout: Fanout) -> None:
    """Delete a fan-out, unless it changed since it was claimed."""
    if is_unchanged(tables, fanout):
        del tables.fanouts[fanout.company_key]
        tables.leases.pop(fanout.company_key, None)
        tables.quarantined_fanouts.pop(fanout.company_key, None)


def later(stored: Position, moved: Position) -> Position:
    """The moved position; its instants never go back."""
    return moved._replace(
        watermark=latest_of(stored.watermark, moved.watermark),
        latest_occurred_at=latest_of(stored.latest_occurred_at, moved.latest_occurred_at),
    )


def _insert(table: dict[Any, Any], key: Any, row: object) -> None:
    assert key not in table, f"{key} is already in the table"
    table[key] = row
