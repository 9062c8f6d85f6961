"""One account of the model: its standing, its running period, its lock-out and the terminations that hold it.

It knows nothing of other accounts; the walk in `naive` tells it what happens, in the order of the rulebook.
Each rule changes the account and writes down its decision at the one place named after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.model.calendar import Instant
from tests.model.policies import Policy
from tests.model.reading import Fact


@dataclass(slots=True, eq=False)
class Termination:
    """A company terminated by one upheld outcome of one case (T2), until that is taken back (X3)."""

    company: str
    root_account_id: str
    case_id: str
    event_id: str
    source: str
    at: Instant
    policy: Policy
    reapply_from: Instant
    reversed_at: Instant | None = None

    def fields(self) -> dict[str, Any]:
        """What a decision says of the case behind it."""
        return {
            "case_id": self.case_id,
            "case_event_id": self.event_id,
            "root_account_id": self.root_account_id,
            "source": self.source,
        }


@dataclass(slots=True)
class Period:
    """A running period: notices, then the deadline. `notices` holds (instant, days left), the earliest first."""

    policy: Policy
    deadline: Instant
    notices: list[tuple[Instant, int]]

    def next_instant(self) -> Instant:
        """The first instant at which this period decides something."""
        return self.notices[0][0] if self.notices else self.deadline


class Decide(Protocol):
    """Writes down a decision about an account, unless no policy is in force at its instant."""

    def __call__(
        self,
        account: "Account",
        kind: str,
        clause: str,
        at: Instant,
        cause: str,
        before: str,
        policy: Policy | None = None,
        **fields: Any,
    ) -> None: ...


@dataclass(slots=True, eq=False)
class Account:
    """`company` and `enrolled` follow the registry immediately; all else stands still from `deferred_from` on."""

    id: str
    policies: tuple[Policy, ...]
    policy_at: Callable[[Instant], Policy | None]
    decide: Decide
    company: str | None = None
    enrolled: bool = False
    enrolled_at: Instant = 0
    standing: str = "not_enrolled"
    since: Instant | None = None
    period: Period | None = None
    locked_out_until: Instant | None = None
    holders: list[Termination] = field(default_factory=list)
    returns_active: bool = False
    deferred_from: Instant | None = None

    def become(self, standing: str, at: Instant) -> str:
        """Changes the standing; periods and lock-outs end with it. The standing before."""
        before = self.standing
        if standing != before:
            self.since = at
        self.standing, self.period, self.locked_out_until = standing, None, None
        return before

    def start_period(self, start: Instant, days: str, notices: str) -> None:
        """A period begins, judged by the policy in force at its start; none begins before the first policy (S1)."""
        if not self.policies:
            return
        start = max(start, self.policies[0].effective_from)
        policy = self.policy_at(start)
        assert policy is not None
        deadline = policy.period_end(start, getattr(policy, days))
        instants = {days_left: policy.notice_instant(deadline, days_left) for days_left in getattr(policy, notices)}
        due = sorted((instant, -days_left) for days_left, instant in instants.items() if start < instant < deadline)
        self.period = Period(policy, deadline, [(instant, -negative) for instant, negative in due])

    def start_inactivity(self, start: Instant) -> None:
        """The clock of S1 starts."""
        self.start_period(start, "inactivity_days", "inactivity_notices")

    def is_awake(self, at: float, watermark: float) -> bool:
        """Enforces the deadlines up to and including the instant; false if one waits for the watermark."""
        while self.deferred_from is None and self.period is not None and self.period.next_instant() <= at:
            if self.period.next_instant() > watermark:
                self.deferred_from = self.period.next_instant()
            elif self.period.notices:
                self.give_notice(self.period)
            else:
                self.end_period(self.period)
        return self.deferred_from is None

    def give_notice(self, period: Period) -> None:
        """S6: the next notice of the running period."""
        at, days_left = period.notices.pop(0)
        kind = "suspension_notice" if self.standing == "active" else "expiry_notice"
        said: dict[str, Any] = {"days_left": days_left, "deadline": period.deadline}
        self.decide(self, kind, "S6", at, str(days_left), self.standing, period.policy, **said)

    def end_period(self, period: Period) -> None:
        """S1 for an active account, S5 for a temporarily active one."""
        at = period.deadline
        if self.standing == "active":
            before = self.become("suspended", at)
            self.decide(self, "account_suspended", "S1", at, "", before, period.policy)
            return
        before = self.become("suspended", at)
        in_force = self.policy_at(at)
        assert in_force is not None
        self.locked_out_until = in_force.period_end(at, in_force.lockout_days)
        said = {"locked_out_until": self.locked_out_until}
        self.decide(self, "reactivation_expired", "S5", at, "", before, period.policy, **said)

    def enrol(self, fact: Fact, clause: str) -> None:
        """E1 for the first enrolment, E2 for one after a closing."""
        before = self.become("active", fact.at)
        self.holders = []
        self.start_inactivity(fact.at)
        self.decide(self, "account_enrolled", clause, fact.at, fact.id, before)

    def close(self, fact: Fact) -> None:
        """E2: nothing is carried over."""
        before = self.become("closed", fact.at)
        self.holders = []
        self.decide(self, "account_closed", "E2", fact.at, fact.id, before)

    def take_order(self, fact: Fact) -> None:
        """S2 and S4 restore; an active account's clock restarts; T5: a terminated one stays what it is."""
        match self.standing:
            case "active":
                self.start_inactivity(fact.at)
            case "suspended" | "temporarily_active":
                before = self.become("active", fact.at)
                self.start_inactivity(fact.at)
                clause = "S2" if before == "suspended" else "S4"
                order_id = fact.fields["order_id"]
                self.decide(self, "account_restored", clause, fact.at, order_id, before, order_id=order_id)
            case "terminated":
                self.returns_active = True

    def ask_for_activation(self, fact: Fact) -> None:
        """S3 (and T5 for a terminated account)."""
        if self.policy_at(fact.at) is None:
            return
        match self.standing:
            case "not_enrolled" | "closed":
                self.refuse(fact, "S3", "not_enrolled")
            case "terminated":
                self.refuse(fact, "S3", "terminated", self.reapply_from())
            case "active":
                self.refuse(fact, "S3", "not_suspended")
            case "temporarily_active":
                self.refuse(fact, "S3", "already_temporarily_active")
            case "suspended":
                if self.locked_out_until is not None and fact.at < self.locked_out_until:
                    self.refuse(fact, "S3", "locked_out", self.locked_out_until)
                else:
                    self.activate(fact)

    def activate(self, fact: Fact) -> None:
        """S3: a temporary activation is granted at the request's instant."""
        before = self.become("temporarily_active", fact.at)
        self.start_period(fact.at, "activation_days", "activation_notices")
        assert self.period is not None
        said: dict[str, Any] = {"request_id": fact.id, "expires_at": self.period.deadline}
        self.decide(self, "activation_granted", "S3", fact.at, fact.id, before, **said)

    def reapply(self, fact: Fact) -> None:
        """T3: a terminated account asks to be admitted again."""
        if self.policy_at(fact.at) is None:
            return
        earliest = self.reapply_from()
        if self.standing in {"not_enrolled", "closed"}:
            self.refuse(fact, "T3", "not_enrolled")
        elif earliest is None:
            self.refuse(fact, "T3", "not_terminated")
        elif fact.at < earliest:
            self.refuse(fact, "T3", "too_early", earliest)
        else:
            before = self.become("active", fact.at)
            self.holders = []
            self.start_inactivity(fact.at)
            self.decide(self, "reapplication_accepted", "T3", fact.at, fact.id, before, request_id=fact.id)

    def refuse(self, fact: Fact, clause: str, reason: str, not_before: Instant | None = None) -> None:
        """A request is refused, with the reason and the instant from which it would be granted where there is one."""
        kind = "activation_refused" if fact.fields["kind"] == "temporary_activation" else "reapplication_refused"
        said: dict[str, Any] = {"request_id": fact.id, "reason": reason, "not_before": not_before}
        self.decide(self, kind, clause, fact.at, fact.id, self.standing, **said)

    def reapply_from(self) -> Instant | None:
        """T3: the latest of the dates of the terminations that hold the account; nothing where none does."""
        return max((holder.reapply_from for holder in self.holders), default=None)

    def terminate(self, termination: Termination, clause: str, at: Instant, cause: str) -> None:
        """T2 and T4: one more termination holds the account; the first of a spell remembers where it began."""
        before = self.become("terminated", at)
        if before != "terminated":
            self.returns_active = before == "active"
        self.holders.append(termination)
        said: dict[str, Any] = termination.fields() | {"reapply_from": termination.reapply_from}
        self.decide(self, "account_terminated", clause, at, cause, before, termination.policy, **said)

    def release(self, termination: Termination, at: Instant, cause: str, said: dict[str, Any]) -> None:
        """X3: a termination is taken back; the account is reinstated where none other holds it."""
        self.holders.remove(termination)
        if self.holders:
            return
        before = self.become("active" if self.returns_active else "suspended", at)
        if self.returns_active:
            self.start_inactivity(at)
        self.decide(self, "account_reinstated", "X3", at, cause, before, **said)
