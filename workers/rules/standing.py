"""The current standing of an account, as `account-standing` states it.

The sentences that name the cure are here. None of them depends on anything that an ordinary order changes, because
an ordinary order publishes no message.
"""

from dataclasses import dataclass

from workers.rules.calendar import Instant, written
from workers.rules.facts import Company


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's standing, since when it holds, what follows and when, and what cures it."""

    standing: str
    since: Instant
    company: Company | None
    deadline: Instant | None
    next: str | None
    set_by: str
    """The kind of the decision that set the standing."""
    cure: str

    @property
    def compared(self) -> tuple[object, ...]:
        """What makes a standing a new one: all but the deadline of an active account, which every order moves."""
        deadline = None if self.standing == "active" else self.deadline
        company = (self.company.key, self.company.name) if self.company else None
        return (self.standing, self.since, company, deadline, self.next, self.set_by, self.cure)


def cure(standing: str, locked_out_until: Instant | None, deadline: Instant | None) -> str:
    """What the seller can do in a standing."""
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
