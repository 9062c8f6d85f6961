"""What is known of one account: its facts, placed in time by `at` (their `occurred_at`), never by arrival.

Owns the shape of facts and of an account's `History`; decides nothing. Facts are values: two equal ones are
one.
"""

import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from workers.rules.calendar import Instant


@dataclass(frozen=True, slots=True)
class Company:
    """The company an account trades under: its key, and the name as the registry writes it."""

    key: str
    name: str


def company_key(company_id: str | None, company_name: str) -> str:
    """`id:` and the id, or `name:` and the name after NFKC, case folding and white space (Words)."""
    if company_id is not None:
        return f"id:{company_id}"
    return "name:" + " ".join(unicodedata.normalize("NFKC", company_name).casefold().split())


@dataclass(frozen=True, slots=True)
class RegistryFact:
    """The account registry says: enrolled under a company, or closed (E1, E2)."""

    at: Instant
    event_id: str
    status: str  # enrolled, closed
    company: Company | None  # always there for enrolled


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
    """An order entered one of the three states that make it effective."""

    at: Instant
    order_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """The seller asked for a temporary activation (S3) or to be admitted again (T3)."""

    at: Instant
    request_id: str
    kind: str  # temporary_activation, reapplication


@dataclass(frozen=True, slots=True)
class OrderSpan:
    """Effective orders from `first` to `last` between which no silence ever decides anything.

    `first` carries the smallest order id of its instant, `last` the largest of its own.
    """

    first: EffectiveOrder
    last: EffectiveOrder


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one account. Spans are in order of time and apart; the rest is in any order."""

    registry: tuple[RegistryFact, ...] = ()
    cases: tuple[CaseFact, ...] = ()
    requests: tuple[Request, ...] = ()
    orders: tuple[OrderSpan, ...] = ()
