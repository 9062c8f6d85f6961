"""The fields that messages of decisions share: company, policy, evidence and case. The kinds are in `decisions`."""

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
        description="`id:` and the company's id; where the registry has none, `name:` and the normalised name",
    ),
]

DecisionId = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="a UUIDv5 of the account id or company key, the kind, `effective_at` and the cause, one a line",
    ),
]

Sequence = Annotated[
    int,
    Field(ge=1, description="1, 2, 3 ... without gaps for each account or company, over all topics of decisions"),
]


class Company(Published):
    """A company. Compare the key: the name can change."""

    key: CompanyKey
    name: Annotated[str, Field(min_length=1, max_length=256)]


class PolicyStamp(Published):
    """The policy that judged the decision."""

    id: Annotated[str, Field(min_length=1)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the policy file")]


class Fact(Published):
    """A fact that a decision rests on. Its `id` is the order id, the request id or else the event id."""

    topic: InputTopic
    id: Identifier
    account_id: Identifier
    occurred_at: WrittenInstant


class Recorded(Published):
    """The fields of every decision, withdrawal and signal."""

    effective_at: WrittenInstant
    """The instant at which the rule takes effect, whenever it was computed."""
    recorded_at: WrittenInstant
    """When the engine recorded the message."""
    sequence: Sequence


class Decision(Recorded):
    """A conclusion of the rules."""

    decision_id: DecisionId
    policy: PolicyStamp
    evidence: Annotated[list[Fact], Field(min_length=1)]
    """The facts that the decision rests on: the last effective order or enrolment, the request, the case outcome."""


class AccountDecision(Decision):
    """A decision about an account. `company` is missing only for an account that was never enrolled."""

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
    """The case that a decision follows from. A reversal names the outcome that reverses."""

    case_id: Identifier
    case_event_id: Identifier
    root_account_id: Identifier
    """The account that the case is against."""
    source: Literal["buyer_complaint", "platform_inspection"]


class AccountWithdrawal(Recorded):
    """Withdraws a decision about an account that turned out wrong."""

    account_id: Identifier
    withdraws: DecisionId
    """The `decision_id` of the withdrawn decision."""
    because: list[Fact]
    """The late facts that made the decision wrong, or the first 100 of them."""
    because_left_out: Annotated[int, Field(ge=1)] | None = None
    """The number of the other late facts."""


class CompanyWithdrawal(Recorded):
    """Withdraws a decision about a company that turned out wrong."""

    company: Company
    withdraws: DecisionId
    """The `decision_id` of the withdrawn decision."""
    because: list[Fact]
    """The late facts that made the decision wrong, or the first 100 of them."""
    because_left_out: Annotated[int, Field(ge=1)] | None = None
    """The number of the other late facts."""
