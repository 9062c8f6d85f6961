"""What is said of an account now: the content of `account-standing`.

Owns the sentences that say what cures a standing. No sentence names what an ordinary order would change, for that is
published without a message.
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
    brought_by: str
    """The kind of the decision that brought the account there."""
    cure: str

    @property
    def compared(self) -> tuple[object, ...]:
        """What is said, but for the deadline, which an order moves without a message."""
        deadline = None if self.standing == "active" else self.deadline
        company = (self.company.key, self.company.name) if self.company else None
        return (self.standing, self.since, company, deadline, self.next, self.brought_by, self.cure)


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
