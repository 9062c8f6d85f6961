"""The facts of one account, and its `History`. Nothing is decided here.

The time of a fact is `at`, the `occurred_at` of its message. When the message arrived never matters. Facts are
values: two equal facts are one.
"""

import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from workers.rules.calendar import Instant


@dataclass(frozen=True, slots=True)
class Company:
    """The company that an account belongs to: its key, and its name as the registry has it."""

    key: str
    name: str


def company_key(company_id: str | None, company_name: str) -> str:
    """`id:` and the id; without an id, `name:` and the name after NFKC, case folding and collapsing white space."""
    if company_id is not None:
        return f"id:{company_id}"
    return "name:" + " ".join(unicodedata.normalize("NFKC", company_name).casefold().split())


@dataclass(frozen=True, slots=True)
class RegistryFact:
    """The account was enrolled under a company, or closed (E1, E2)."""

    at: Instant
    event_id: str
    status: str  # enrolled, closed
    company: Company | None  # never None where enrolled


@dataclass(frozen=True, slots=True)
class CaseFact:
    """One outcome of one case against the account (T1, X1 to X4)."""

    at: Instant
    event_id: str
    case_id: str
    source: str  # buyer_complaint, platform_inspection
    category: str
    outcome: str  # opened, upheld, dismissed, withdrawn, reversed
    cause: str | None = None
    order_value: Decimal | None = None
    order_currency: str | None = None


@dataclass(frozen=True, slots=True)
class EffectiveOrder:
    """An order entered one of the three statuses that make it effective."""

    at: Instant
    order_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """The seller asked for a temporary activation (S3) or re-applied (T3)."""

    at: Instant
    request_id: str
    kind: str  # temporary_activation, reapplication


@dataclass(frozen=True, slots=True)
class OrderSpan:
    """Effective orders from `first` to `last`, so close that no deadline can fall between two of them.

    `first` has the smallest order id of its instant, `last` the largest order id of its own.
    """

    first: EffectiveOrder
    last: EffectiveOrder


@dataclass(frozen=True, slots=True)
class History:
    """The facts of one account. Spans are in the order of time and do not overlap; all else is in any order."""

    registry: tuple[RegistryFact, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    requests: tuple[Request, ...] = ()
    orders: tuple[OrderSpan, ...] = ()
