"""What a batch says, sorted by account: the decoded records of one intake, before any of them is judged."""

from dataclasses import dataclass, field

from workers.codec.messages import Record
from workers.rules.calendar import Instant
from workers.rules.facts import CaseFact, RegistryFact, Request


@dataclass(frozen=True, slots=True)
class ReceivedFact:
    """A registry, case or request fact with the record it came in, for the case that it must be refused."""

    account_id: str
    topic: str
    id: str
    at: Instant
    content: str
    fact: RegistryFact | CaseFact | Request
    record: Record


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that becomes a dead letter; its neighbours go on."""

    record: Record
    topic: str
    reason: str
    detail: str


@dataclass(slots=True)
class Batch:
    """Orders and facts by account, in the order in which they were read."""

    orders: dict[str, list[tuple[Instant, str]]] = field(default_factory=dict)
    """Effective orders: instant and order id."""
    facts: dict[str, list[ReceivedFact]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    traceparents: dict[str, str] = field(default_factory=dict)

    def account_ids(self) -> list[str]:
        """Every account the batch speaks of, sorted by code points, the order of the locks."""
        return sorted(self.orders.keys() | self.facts.keys())
