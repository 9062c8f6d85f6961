"""What the messages of all decisions have in common (CONTRACTS): company, policy, evidence and the case.

Owns no kind of its own; those are in `decisions` and `withdrawals`.
"""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Identifier, Published, WrittenInstant

Standing = Literal["not_enrolled", "active", "suspended", "temporarily_active", "terminated", "closed"]
CompanyStanding = Literal["active", "terminated"]

InputTopic = Literal["order-status", "complaints", "seller-accounts", "account-requests"]

CompanyKey = Annotated[
    str,
    Field(
        pattern=r"^(id|name):[^\u0000-\u001f\u007f-\u009f]+$",
        description="id: and the company's id; where the registry gives none, name: and its normalised name",
    ),
]

DecisionId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="a UUIDv5 of account id or company key, kind, effective_at and cause, a line each",
    ),
]

Sequence = Annotated[
    int,
    Field(ge=1, description="1, 2, 3 ... of the account or company, without gaps, over all its decision topics"),
]


class Company(Published):
    """The company that an account trades under; the name is never part of a comparison."""

    key: CompanyKey
    name: Annotated[str, Field(min_length=1, max_length=256)]


class PolicyStamp(Published):
    """The policy that judged."""

    id: Annotated[str, Field(min_length=1)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the policy's file")]


class Fact(Published):
    """A fact that a decision rests on; `id` is the order's, the request's, else the event's."""

    topic: InputTopic
    id: Identifier
    account_id: Identifier
    occurred_at: WrittenInstant


class Recorded(Published):
    """What decisions, withdrawals and signals say alike."""

    effective_at: WrittenInstant
    """The instant at which the rule takes effect, never when it was computed."""
    recorded_at: WrittenInstant
    """When it was decided."""
    sequence: Sequence


class Decision(Recorded):
    """What the rules conclude from the facts."""

    decision_id: DecisionId
    policy: PolicyStamp
    evidence: Annotated[list[Fact], Field(min_length=1)]
    """The facts it rests on: last effective order or enrolment, request, case outcome."""


class AccountDecision(Decision):
    """A decision about an account; `company` is missing only where the account was never enrolled."""

    account_id: Identifier
    company: Company | None = None
    standing_before: Standing
    standing_after: Standing


class EnrolledAccountDecision(AccountDecision):
    """A decision about an account that is, or was, enrolled."""

    company: Company


class CompanyDecision(Decision):
    """A decision about a company; its standing is `active` or `terminated`."""

    company: Company
    standing_before: CompanyStanding
    standing_after: CompanyStanding


class OfCase(Published):
    """The case behind a decision, and its outcome (for what takes it back: that one)."""

    case_id: Identifier
    case_event_id: Identifier
    root_account_id: Identifier
    """The account that the case is against."""
    source: Literal["buyer_complaint", "platform_inspection"]


class AccountWithdrawal(Recorded):
    """A decision about an account turned out wrong and is taken back."""

    account_id: Identifier
    withdraws: DecisionId
    """The `decision_id` of the decision that is taken back."""
    because: list[Fact]
    """The late facts that changed what should have been decided, or the first 100 of them."""
    because_left_out: Annotated[int, Field(ge=1)] | None = None
    """How many more there were."""


class CompanyWithdrawal(Recorded):
    """A decision about a company turned out wrong and is taken back."""

    company: Company
    withdraws: DecisionId
    """The `decision_id` of the decision that is taken back."""
    because: list[Fact]
    """The late facts that changed what should have been decided, or the first 100 of them."""
    because_left_out: Annotated[int, Field(ge=1)] | None = None
    """How many more there were."""
