"""What the store in memory holds once it is committed, and how the changes of a transaction become part of it.

Owns no locks and no visibility; keys that are unique are asserted.
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
    quarantined_spreads: dict[str, str] = field(default_factory=dict)
    log: dict[int, list[LogRow]] = field(default_factory=dict)

    def undecided(self, company_key: str) -> int:
        """How many members and former members of a company wait or are quarantined."""
        rows = (self.accounts.get(each) for each in self.memberships.get(company_key, ()))
        return sum(row is not None and (row.waits or row.quarantined is not None) for row in rows)


def apply(tables: Tables, changes: Changes) -> None:
    """Write all changes of one transaction, as the statements of the real store do."""
    for account_id, at, order_id in changes.moved:
        row = tables.accounts[account_id]
        tables.accounts[account_id] = row._replace(last_effective_at=at, last_order_id=order_id)
    for account_id, at, order_id in changes.begun:
        row = tables.accounts[account_id]
        tables.accounts[account_id] = row._replace(dense_since=at, last_effective_at=at, last_order_id=order_id)
    tables.accounts |= {row.account_id: row for row in changes.accounts}
    for fact in changes.facts:
        _insert(tables.facts.setdefault(fact.account_id, {}), (fact.topic, fact.id), fact)
    for account_id, first_at in changes.spans_removed:
        tables.spans.get(account_id, {}).pop(first_at, None)
    for account_id, span in changes.spans_added:
        _insert(tables.spans.setdefault(account_id, {}), span.first.at, span)
    for account_id, at, order_id in changes.begun:
        order = EffectiveOrder(at, order_id)
        _insert(tables.spans.setdefault(account_id, {}), at, OrderSpan(order, order))
    for of_company, subject, decision_id in changes.withdrawn:
        tables.net.get((of_company, subject), {}).pop(decision_id, None)
    for decision in changes.published:
        _insert(tables.net.setdefault((decision.of_company, decision.subject), {}), decision.decision_id, decision)
    for key, account_id in changes.memberships:
        tables.memberships.setdefault(key, set()).add(account_id)
    tables.companies |= {row.company_key: row for row in changes.companies}
    for key, version, because in changes.spreads:
        stored = tables.spreads.get(key)
        if stored is None or stored.waits:
            tables.spreads[key] = Spread(key, version, "", False, because)
            tables.leases.pop(key, None)
        else:
            tables.spreads[key] = stored._replace(because=because)
        tables.quarantined_spreads.pop(key, None)


def _insert(table: dict[Any, Any], key: Any, row: object) -> None:
    assert key not in table, f"{key} is in the table already"
    table[key] = row


def greatest(one: Instant | None, other: Instant | None) -> Instant | None:
    """The later of two, where there is one."""
    return max((at for at in (one, other) if at is not None), default=None)
