"""The model's decisions: what a decision says, where it is published, and its id.

It decides nothing. Two decisions are the same when every field here is the same.
"""

import uuid
from dataclasses import dataclass

from tests.model.calendar import Instant, write_instant

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:standing:decisions")

TOPIC_OF_KIND = {
    "account_suspended": "suspensions",
    "reactivation_expired": "reactivation-expiries",
    "company_terminated": "company-terminations",
    "company_termination_reversed": "company-terminations",
    "account_terminated": "account-terminations",
    "account_reinstated": "account-terminations",
    "account_restored": "restorations",
    "account_enrolled": "restorations",
    "account_closed": "restorations",
    "activation_granted": "request-outcomes",
    "activation_refused": "request-outcomes",
    "reapplication_accepted": "request-outcomes",
    "reapplication_refused": "request-outcomes",
    "suspension_notice": "account-notices",
    "expiry_notice": "account-notices",
    "violation_warned": "account-notices",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision in force. `subject` is the account id, or the company key where `account_id` is None."""

    topic: str
    kind: str
    clause: str
    subject: str
    account_id: str | None
    company: str | None
    effective_at: Instant
    cause: str
    policy_id: str
    policy_digest: str
    standing_before: str | None = None
    standing_after: str | None = None
    expires_at: Instant | None = None
    locked_out_until: Instant | None = None
    reapply_from: Instant | None = None
    reason: str | None = None
    not_before: Instant | None = None
    days_left: int | None = None
    deadline: Instant | None = None
    order_id: str | None = None
    request_id: str | None = None
    case_id: str | None = None
    case_event_id: str | None = None
    root_account_id: str | None = None
    source: str | None = None

    @property
    def decision_id(self) -> str:
        """The id that two systems give the same decision."""
        parts = (self.subject, self.kind, write_instant(self.effective_at), self.cause)
        return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))
