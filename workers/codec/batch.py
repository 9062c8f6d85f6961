"""Decoded records by account, before anything is judged."""

from dataclasses import dataclass, field

from workers.codec.messages import Record
from workers.rules.calendar import Instant
from workers.rules.facts import CaseFact, RegistryFact, Request


@dataclass(frozen=True, slots=True)
class ReceivedFact:
    """A registry, case or request fact, and its record, which becomes a dead letter if the fact is refused.

    `content` is the text that the store keeps of the fact.
    """

    account_id: str
    topic: str
    id: str
    at: Instant
    content: str
    fact: RegistryFact | CaseFact | Request
    record: Record


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that becomes a dead letter, its topic without the prefix, and why."""

    record: Record
    topic: str
    reason: str
    detail: str


@dataclass(slots=True)
class Batch:
    """Orders and other facts by account, in the order in which they were read."""

    orders: dict[str, list[tuple[Instant, str]]] = field(default_factory=dict)
    """Effective orders as (instant, order id)."""
    facts: dict[str, list[ReceivedFact]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    traceparents: dict[str, str] = field(default_factory=dict)
    """The W3C trace context of an account's last fact that has one."""

    def account_ids(self) -> list[str]:
        """Every account of the batch, sorted by code points: the order in which accounts are locked."""
        return sorted(self.orders.keys() | self.facts.keys())

    def add(self, other: "Batch") -> None:
        """Add what was read after this batch. It may take over the parts of `other`."""
        if not self.orders:
            self.orders = other.orders
        elif self.orders.keys().isdisjoint(other.orders):  # an account's orders are in one partition, as a rule
            self.orders |= other.orders
        else:
            for account_id, orders in other.orders.items():
                found = self.orders.get(account_id)
                if found is None:
                    self.orders[account_id] = orders
                else:
                    found += orders
        for account_id, facts in other.facts.items():
            self.facts.setdefault(account_id, []).extend(facts)
        self.rejected += other.rejected
        self.traceparents |= other.traceparents
