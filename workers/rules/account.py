"""The state of one account while it is judged, and what each rule does to it (E1 to S6, T2 to T5, X3).

One method for each thing that can happen; each either changes the state, or publishes a decision, or both.
`judge` calls them in the order of time and never lets silence run past the watermark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workers.rules.calendar import Instant
from workers.rules.company import Termination, Warned, case_details, case_evidence
from workers.rules.decisions import Decision, Evidence, joined
from workers.rules.facts import Company, EffectiveOrder, RegistryFact, Request
from workers.rules.policy import Policies, Policy, PolicyStamp
from workers.rules.standing import Standing, cure


@dataclass(slots=True)
class Period:
    """A running period (S1 or S5): its end, and the notices in it that are still to come, latest first."""

    policy: Policy
    start: Instant
    deadline: Instant
    notices: list[tuple[Instant, int]]
    evidence: Evidence


@dataclass(slots=True)
class Spell:
    """An unbroken spell of terminations (X3): how the account stood at its first hit, an order since then."""

    was_active: bool
    ordered: bool = False


@dataclass(slots=True)
class Account:
    """One account on its way through time."""

    account_id: str
    policies: Policies
    terminations: Mapping[str, Sequence[Termination]]
    decisions: list[Decision] = field(default_factory=list)
    status: str = "not_enrolled"
    since: Instant = 0
    why: str = ""
    company: Company | None = None
    period: Period | None = None
    locked_out_until: Instant | None = None
    held_by: dict[tuple[Instant, str, str], Termination] = field(default_factory=dict)
    spell: Spell | None = None

    # -- silence -------------------------------------------------------------------------------------------

    def next_deadline(self) -> Instant | None:
        """The next instant at which silence alone decides something: a notice or the end of the period."""
        if self.period is None:
            return None
        return self.period.notices[-1][0] if self.period.notices else self.period.deadline

    def deadline(self) -> None:
        """What silence decides at `next_deadline()`."""
        period = self.period
        assert period is not None
        if period.notices:
            self._notice(period, *period.notices.pop())
        elif self.status == "active":
            self._suspended(period)
        else:
            self._expired(period)

    def _notice(self, period: Period, at: Instant, days_left: int) -> None:
        """S6: a notice before the period's end."""
        kind = "suspension_notice" if self.status == "active" else "expiry_notice"
        self._decide(
            kind,
            "S6",
            at,
            str(days_left),
            [period.evidence],
            policy=period.policy,
            details={"days_left": days_left},
            instants={"deadline": period.deadline},
        )

    def _suspended(self, period: Period) -> None:
        """S1: no effective order within the inactivity period."""
        self.period = None
        self._decide(
            "account_suspended",
            "S1",
            period.deadline,
            "",
            [period.evidence],
            to="suspended",
            policy=period.policy,
        )

    def _expired(self, period: Period) -> None:
        """S5: no effective order within the temporary activation; locked out."""
        at = period.deadline
        policy = self.policies.judging(at)
        self.period = None
        self.locked_out_until = policy.period_end(at, policy.lockout_days)
        self._decide(
            "reactivation_expired",
            "S5",
            at,
            "",
            [period.evidence],
            to="suspended",
            policy=period.policy,
            instants={"locked_out_until": self.locked_out_until},
        )

    # -- the registry --------------------------------------------------------------------------------------

    def enrolled(self, fact: RegistryFact) -> None:
        """E1, E2: a first enrolment, a new one after a closing, or a move to another company."""
        evidence = Evidence("seller-accounts", fact.event_id, self.account_id, fact.at)
        before = self.company.key if self.company else None
        self.company = fact.company
        assert self.company is not None
        if self.status in ("not_enrolled", "closed"):
            clause = "E1" if self.status == "not_enrolled" else "E2"
            self._run_inactivity(fact.at, evidence)
            self._decide("account_enrolled", clause, fact.at, fact.event_id, [evidence], to="active")
        elif self.company.key == before:
            return  # E1: the same company changes nothing (but its name)
        self._joined_terminated_company(fact, evidence)

    def _joined_terminated_company(self, fact: RegistryFact, evidence: Evidence) -> None:
        """T4: the company is under a termination not reversed and not past its period."""
        assert self.company is not None
        for termination in sorted(self.terminations.get(self.company.key, ()), key=lambda each: each.order):
            in_force = termination.upheld.at < fact.at < termination.reapply_from and (
                termination.reversal is None or termination.reversal.at >= fact.at
            )
            if in_force and termination.order not in self.held_by:
                upheld = termination.upheld
                cause = joined(upheld.event_id, termination.root_account_id, fact.event_id)
                self._terminated(termination, "T4", fact.at, cause, [evidence], upheld.policy)

    def closed(self, fact: RegistryFact) -> None:
        """E2: periods, lock-outs and notices end, and nothing is carried over."""
        if self.status in ("not_enrolled", "closed"):
            return
        self.period = self.locked_out_until = self.spell = None
        self.held_by.clear()
        evidence = Evidence("seller-accounts", fact.event_id, self.account_id, fact.at)
        self._decide("account_closed", "E2", fact.at, fact.event_id, [evidence], to="closed")

    # -- orders and requests -------------------------------------------------------------------------------

    def order_became_effective(self, order: EffectiveOrder) -> None:
        """S1, S2, S4: an effective order begins a new period, and restores who is suspended."""
        evidence = Evidence("order-status", order.order_id, self.account_id, order.at)
        if self.status == "active":
            self._run_inactivity(order.at, evidence)
        elif self.status in ("suspended", "temporarily_active"):
            clause = "S2" if self.status == "suspended" else "S4"
            self.locked_out_until = None
            self._run_inactivity(order.at, evidence)
            details: dict[str, str | int] = {"order_id": order.order_id}
            self._decide(
                "account_restored", clause, order.at, order.order_id, [evidence], to="active", details=details
            )
        elif self.spell is not None:
            self.spell.ordered = True

    def requested(self, request: Request) -> None:
        """S3, T3: the seller asks; every request is answered once."""
        if request.kind == "temporary_activation":
            self._activation_requested(request)
        else:
            self._reapplication_requested(request)

    def _activation_requested(self, request: Request) -> None:
        """S3: granted to a suspended account that is not locked out."""
        if self.status in ("not_enrolled", "closed"):
            self._refused("activation_refused", "S3", request, "not_enrolled")
        elif self.status == "terminated":
            self._refused("activation_refused", "S3", request, "terminated", self._reapply_from())
        elif self.status == "active":
            self._refused("activation_refused", "S3", request, "not_suspended")
        elif self.status == "temporarily_active":
            self._refused("activation_refused", "S3", request, "already_temporarily_active")
        elif self.locked_out_until is not None and request.at < self.locked_out_until:
            self._refused("activation_refused", "S3", request, "locked_out", self.locked_out_until)
        else:
            policy = self.policies.judging(request.at)
            deadline, notices = policy.activation(request.at)
            evidence = self._request_evidence(request)
            self.locked_out_until = None
            self.period = Period(policy, request.at, deadline, notices[::-1], evidence)
            self._decide(
                "activation_granted",
                "S3",
                request.at,
                request.request_id,
                [evidence],
                to="temporarily_active",
                details={"request_id": request.request_id},
                instants={"expires_at": deadline},
            )

    def _reapplication_requested(self, request: Request) -> None:
        """T3: accepted from the earliest instant on."""
        if self.status in ("not_enrolled", "closed"):
            self._refused("reapplication_refused", "T3", request, "not_enrolled")
        elif self.status != "terminated":
            self._refused("reapplication_refused", "T3", request, "not_terminated")
        elif request.at < (reapply_from := self._reapply_from()):
            self._refused("reapplication_refused", "T3", request, "too_early", reapply_from)
        else:
            evidence = self._request_evidence(request)
            self.held_by.clear()
            self.spell = None
            self._run_inactivity(request.at, evidence)
            details: dict[str, str | int] = {"request_id": request.request_id}
            self._decide(
                "reapplication_accepted",
                "T3",
                request.at,
                request.request_id,
                [evidence],
                to="active",
                details=details,
            )

    def _refused(
        self, kind: str, clause: str, request: Request, reason: str, not_before: Instant | None = None
    ) -> None:
        self._decide(
            kind,
            clause,
            request.at,
            request.request_id,
            [self._request_evidence(request)],
            details={"request_id": request.request_id, "reason": reason},
            instants={} if not_before is None else {"not_before": not_before},
        )

    def _request_evidence(self, request: Request) -> Evidence:
        return Evidence("account-requests", request.request_id, self.account_id, request.at)

    def _reapply_from(self) -> Instant:
        """T3: the latest period end of the terminations that hold the account."""
        return max(termination.reapply_from for termination in self.held_by.values())

    # -- cases ---------------------------------------------------------------------------------------------

    def warned(self, warned: Warned) -> None:
        """T1: a warning, in any standing but closed and not enrolled."""
        upheld = warned.upheld
        self._decide(
            "violation_warned",
            "T1",
            upheld.at,
            joined(upheld.event_id, self.account_id),
            [Evidence("complaints", upheld.event_id, self.account_id, upheld.at)],
            details={
                "case_id": upheld.case_id,
                "case_event_id": upheld.event_id,
                "root_account_id": self.account_id,
                "source": upheld.source,
            },
        )

    def belongs_to(self, company_key: str) -> bool:
        """Whether the company is the one of the account's newest registry fact."""
        return self.company is not None and self.company.key == company_key

    def company_terminated(self, termination: Termination) -> None:
        """T2: every account that then belongs to the company, whatever its standing."""
        if self.status not in ("not_enrolled", "closed"):
            cause = joined(termination.upheld.event_id, termination.root_account_id)
            self._terminated(termination, "T2", termination.upheld.at, cause, [], None)

    def _terminated(
        self,
        termination: Termination,
        clause: str,
        at: Instant,
        cause: str,
        evidence: list[Evidence],
        policy: PolicyStamp | None,
    ) -> None:
        """T5: termination dominates; periods, activations, notices and lock-outs end."""
        if self.spell is None:
            self.spell = Spell(was_active=self.status == "active")
        self.held_by[termination.order] = termination
        self.period = self.locked_out_until = None
        upheld, root = termination.upheld, termination.root_account_id
        self._decide(
            "account_terminated",
            clause,
            at,
            cause,
            [case_evidence(upheld, root), *evidence],
            to="terminated",
            stamp=policy,
            details=case_details(upheld, termination),
            instants={"reapply_from": termination.reapply_from},
        )

    def termination_reversed(self, termination: Termination) -> None:
        """X3: reinstated, unless another termination holds the account or it was admitted since."""
        del self.held_by[termination.order]
        if self.held_by:
            return
        assert self.spell is not None
        assert termination.reversal is not None
        reversal, root = termination.reversal, termination.root_account_id
        evidence = case_evidence(reversal, root)
        active = self.spell.was_active or self.spell.ordered
        self.spell = None
        if active:
            self._run_inactivity(reversal.at, evidence)
        self._decide(
            "account_reinstated",
            "X3",
            reversal.at,
            joined(reversal.event_id, root),
            [evidence],
            to="active" if active else "suspended",
            details=case_details(reversal, termination),
        )

    # -- what all of them do -------------------------------------------------------------------------------

    def _run_inactivity(self, start: Instant, evidence: Evidence) -> None:
        """S1: a new inactivity period; it never starts before the first policy does."""
        clock = max(start, self.policies.first_start)
        policy = self.policies.judging(clock)
        deadline, notices = policy.inactivity(clock)
        self.period = Period(policy, clock, deadline, notices[::-1], evidence)

    def _decide(
        self,
        kind: str,
        clause: str,
        at: Instant,
        cause: str,
        evidence: list[Evidence],
        *,
        to: str | None = None,
        policy: Policy | None = None,
        stamp: PolicyStamp | None = None,
        details: Mapping[str, str | int] | None = None,
        instants: Mapping[str, Instant] | None = None,
    ) -> None:
        """Take the standing `to`, and publish; before the first policy the standing changes in silence."""
        before = self.status
        if to is not None:
            if to != before:
                self.since = at
            self.status, self.why = to, kind
        if at < self.policies.first_start:
            return
        self.decisions.append(
            Decision(
                kind,
                clause,
                self.account_id,
                self.company,
                at,
                cause,
                stamp or (policy or self.policies.judging(at)).stamp,
                tuple(evidence),
                before,
                self.status,
                details or {},
                instants or {},
            )
        )

    def says(self) -> Standing | None:
        """What `account-standing` says of the account now; nothing of one that was never enrolled."""
        if self.status == "not_enrolled":
            return None
        deadline, following = None, None
        if self.period is not None:
            deadline = self.period.deadline
            following = "account_suspended" if self.status == "active" else "reactivation_expired"
        elif self.status == "terminated":
            deadline, following = self._reapply_from(), "reapplication_possible"
        elif self.locked_out_until is not None:
            deadline, following = self.locked_out_until, "lockout_ends"
        said = cure(self.status, self.locked_out_until, deadline)
        return Standing(self.status, self.since, self.company, deadline, following, self.why, said)
