"""What is said of an account now: the content of `account-standing`, in the seller's words.

Owns the sentences that give the reason for a standing and what cures it; the judgement fills them in. No
sentence names what an ordinary order would change, for that is published without a message.
"""

from dataclasses import dataclass

from workers.rules.calendar import Instant, written
from workers.rules.facts import Company


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's standing, since when, what follows when, why, and what cures it."""

    standing: str
    since: Instant
    company: Company | None
    deadline: Instant | None
    next: str | None
    reason: str
    cure: str

    @property
    def compared(self) -> tuple[object, ...]:
        """What is said, but for the deadline, which an order moves without a message."""
        deadline = None if self.standing == "active" else self.deadline
        company = (self.company.key, self.company.name) if self.company else None
        return (self.standing, self.since, company, deadline, self.next, self.reason, self.cure)


REASONS = {
    "account_enrolled": "The account was enrolled (E1, E2).",
    "account_restored": "An order became effective and restored the account (S2, S4).",
    "account_reinstated": "The termination was taken back (X3).",
    "reapplication_accepted": "The re-application was accepted (T3).",
    "account_suspended": "No effective order within the inactivity period (S1).",
    "reactivation_expired": "The temporary activation ended without a paid order (S5).",
    "activation_granted": "A temporary activation was granted (S3).",
    "account_terminated": "A case against an account of the company was upheld (T2, T4).",
    "account_closed": "The registry closed the account (E2).",
}
"""Why an account stands as it does, by the kind of the decision that brought it there."""


def cure(standing: str, locked_out_until: Instant | None, deadline: Instant | None) -> str:
    """What the seller can do, for each standing."""
    match standing:
        case "active":
            return "Nothing is needed; each effective order begins a new inactivity period (S1)."
        case "suspended" if locked_out_until is not None:
            return (
                "An effective order restores the account (S2); a temporary activation can be asked for "
                f"again from {written(locked_out_until)} (S3)."
            )
        case "suspended":
            return "An effective order restores the account (S2); a temporary activation can be asked for (S3)."
        case "temporarily_active" if deadline is not None:
            return f"An order that becomes effective before {written(deadline)} restores the account (S4)."
        case "terminated" if deadline is not None:
            return f"The account can re-apply from {written(deadline)} (T3)."
        case _:
            return "A new enrolment (E2)."
