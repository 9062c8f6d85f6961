"""What the store in memory holds once it is committed, and how the changes of a transaction become part of it.

Keys that are unique are asserted.
"""

from dataclasses import dataclass, field
from typing import Any

from workers.rules.calendar import Instant
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store.records import (
    AccountRow,
    Changes,
    CompanyRow,
    LogRow,
    NetDecision,
    Position,
    RejectsRow,
    ShardHead,
    Spread,
    StoredFact,
)


@dataclass(slots=True)
class Tables:
    """What is committed."""

    positions: dict[tuple[str, int], Position]
    heads: dict[int, ShardHead]
    compared_until: Instant | None = None
    rejects: dict[tuple[str, int], RejectsRow] = field(default_factory=dict)
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    facts: dict[str, dict[tuple[str, str], StoredFact]] = field(default_factory=dict)
    spans: dict[str, dict[Instant, OrderSpan]] = field(default_factory=dict)
    net: dict[tuple[bool, str], dict[str, NetDecision]] = field(default_factory=dict)
    memberships: dict[str, set[str]] = field(default_factory=dict)
    companies: dict[str, CompanyRow] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    """Until when a fan-out is leased, where somebody leases it."""
    quarantined_spreads: dict[str, str] = field(default_factory=dict)
    log: dict[int, list[LogRow]] = field(default_factory=dict)

    def undecided(self, company_key: str) -> int:
        """How many members and former members of a company wait or are quarantined."""
        rows = (self.accounts.get(each) for each in self.memberships.get(company_key, ()))
        return sum(row is not None and (row.waits or row.quarantined is not None) for row in rows)

    def due(self, horizon: Instant) -> list[AccountRow]:
        """The accounts whose next check is due, soonest first."""
        found = [
            (row.wake_at, row.account_id)
            for row in self.accounts.values()
            if row.wake_at is not None and row.wake_at <= horizon and row.quarantined is None
        ]
        return [self.accounts[account_id] for _, account_id in sorted(found)]

    def spreads_to_go_on(self) -> list[str]:
        """The companies whose fan-out is neither quarantined nor waits for undecided members."""
        ordered = sorted(self.spreads, key=lambda key: (self.leases.get(key, 0), key))
        return [key for key in ordered if not self._rests(key)]

    def _rests(self, key: str) -> bool:
        return key in self.quarantined_spreads or (self.spreads[key].waits and self.undecided(key) > 0)


def apply(tables: Tables, changes: Changes) -> None:
    """Write all changes of one transaction, as the statements of the real store do."""
    for account_id, at, order_id in changes.moved:
        row = tables.accounts[account_id]
        tables.accounts[account_id] = row._replace(last_effective_at=at, last_order_id=order_id)
    for account_id, at, order_id in changes.begun:
        row = tables.accounts[account_id]
        tables.accounts[account_id] = row._replace(dense_since=at, last_effective_at=at, last_order_id=order_id)
    for account_id, at in changes.rearmed:
        tables.accounts[account_id] = tables.accounts[account_id]._replace(wake_at=at)
    tables.accounts |= {row.account_id: row for row in changes.accounts}
    _apply_histories(tables, changes)
    for of_company, subject, decision_id in changes.withdrawn:
        tables.net.get((of_company, subject), {}).pop(decision_id, None)
    for decision in changes.published:
        _insert(tables.net.setdefault((decision.of_company, decision.subject), {}), decision.decision_id, decision)
    _apply_companies(tables, changes)
    tables.rejects |= {row[:2]: row for row in changes.windows}
    tables.positions |= {each[:2]: later(tables.positions[each[:2]], each) for each in changes.positions}


def _apply_histories(tables: Tables, changes: Changes) -> None:
    for fact in changes.facts:
        _insert(tables.facts.setdefault(fact.account_id, {}), (fact.topic, fact.id), fact)
    for account_id, first_at in changes.spans_removed:
        tables.spans.get(account_id, {}).pop(first_at, None)
    for account_id, span in changes.spans_added:
        _insert(tables.spans.setdefault(account_id, {}), span.first.at, span)
    for account_id, at, order_id in changes.begun:
        order = EffectiveOrder(at, order_id)
        _insert(tables.spans.setdefault(account_id, {}), at, OrderSpan(order, order))


def _apply_companies(tables: Tables, changes: Changes) -> None:
    for key, account_id in changes.memberships:
        tables.memberships.setdefault(key, set()).add(account_id)
    tables.companies |= {row.company_key: row for row in changes.companies}
    for before, after in changes.spreads_moved:
        move_spread(tables, before, after)
    for key, version, because in changes.spreads:
        stored = tables.spreads.get(key)
        if stored is None or stored.waits:
            tables.spreads[key] = Spread(key, version, "", False, because)
            tables.leases.pop(key, None)
        else:
            tables.spreads[key] = stored._replace(because=because)
        tables.quarantined_spreads.pop(key, None)


def is_where(tables: Tables, spread: Spread) -> bool:
    """Whether a fan-out is still where it was claimed."""
    stored = tables.spreads.get(spread.company_key)
    return stored is not None and stored[:3] == spread[:3]


def move_spread(tables: Tables, before: Spread, after: Spread) -> None:
    """Move a fan-out, unless somebody else moved it since it was claimed."""
    if is_where(tables, before):
        because = tables.spreads[before.company_key].because
        tables.spreads[before.company_key] = after._replace(because=because)
        tables.leases.pop(before.company_key, None)


def end_spread(tables: Tables, spread: Spread) -> None:
    """Delete a fan-out that is still where it was claimed."""
    if is_where(tables, spread):
        del tables.spreads[spread.company_key]
        tables.leases.pop(spread.company_key, None)
        tables.quarantined_spreads.pop(spread.company_key, None)


def later(stored: Position, moved: Position) -> Position:
    """A position once it was moved: what it says of time never goes back."""
    return moved._replace(
        complete_until=_greatest(stored.complete_until, moved.complete_until),
        latest_occurred_at=_greatest(stored.latest_occurred_at, moved.latest_occurred_at),
    )


def _insert(table: dict[Any, Any], key: Any, row: object) -> None:
    assert key not in table, f"{key} is in the table already"
    table[key] = row


def _greatest(one: Instant | None, other: Instant | None) -> Instant | None:
    """The later of two, where there is one."""
    return max((at for at in (one, other) if at is not None), default=None)
