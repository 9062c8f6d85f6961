"""The state of one account while it is judged, and what each rule does to it (E1 to S6, T1 to T5, X3).

One method for each event. A method changes the state, or adds a decision, or both. `judge` calls the methods in
the order of time and enforces no deadline beyond the watermark.
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
    """A running inactivity period (S1) or temporary activation (S5).

    `notices` holds the notices that are still to come as (instant, days left), the latest first.
    """

    policy: Policy
    start: Instant
    deadline: Instant
    notices: list[tuple[Instant, int]]
    evidence: Evidence


@dataclass(slots=True)
class Spell:
    """An unbroken spell of terminations (X3): whether the account was active before it, and had an order in it."""

    was_active: bool
    had_order: bool = False


@dataclass(slots=True)
class Account:
    """One account at one instant of its history.

    `since` is the instant from which `status` holds, `set_by` the kind of the decision that set it.
    `terminations` holds those of every company by its key, `terminations_in_force` those that hold this account.
    """

    account_id: str
    policies: Policies
    terminations: Mapping[str, Sequence[Termination]]
    decisions: list[Decision] = field(default_factory=list)
    status: str = "not_enrolled"
    since: Instant = 0
    set_by: str = ""
    company: Company | None = None
    period: Period | None = None
    locked_out_until: Instant | None = None
    terminations_in_force: dict[tuple[Instant, str, str], Termination] = field(default_factory=dict)
    spell: Spell | None = None

    # -- deadlines -----------------------------------------------------------------------------------------

    def next_deadline(self) -> Instant | None:
        """The next notice or the end of the period, whichever comes first; None where no period is running."""
        if self.period is None:
            return None
        return self.period.notices[-1][0] if self.period.notices else self.period.deadline

    def enforce_deadline(self) -> None:
        """Decide what follows at `next_deadline()`."""
        period = self.period
        assert period is not None
        if period.notices:
            self._notice(period, *period.notices.pop())
        elif self.status == "active":
            self._suspended(period)
        else:
            self._expired(period)

    def _notice(self, period: Period, at: Instant, days_left: int) -> None:
        """S6: a notice before the end of the period."""
        kind = "suspension_notice" if self.status == "active" else "expiry_notice"
        self._decide(
            kind,
            "S6",
            at,
            period.evidence,
            cause=str(days_left),
            policy=period.policy.stamp,
            details={"days_left": days_left},
            instants={"deadline": period.deadline},
        )

    def _suspended(self, period: Period) -> None:
        """S1: suspended, for there was no effective order within the inactivity period."""
        self.period = None
        at, evidence, policy = period.deadline, period.evidence, period.policy.stamp
        self._decide("account_suspended", "S1", at, evidence, cause="", to="suspended", policy=policy)

    def _expired(self, period: Period) -> None:
        """S5: suspended again and locked out, for there was no effective order within the temporary activation."""
        at = period.deadline
        policy = self.policies.judging(at)
        self.period = None
        self.locked_out_until = policy.period_end(at, policy.lockout_days)
        self._decide(
            "reactivation_expired",
            "S5",
            at,
            period.evidence,
            cause="",
            to="suspended",
            policy=period.policy.stamp,
            instants={"locked_out_until": self.locked_out_until},
        )

    # -- the registry --------------------------------------------------------------------------------------

    def enrolled(self, fact: RegistryFact) -> None:
        """E1, E2: the first enrolment, a new one after a closing, or a move to another company."""
        evidence = Evidence("seller-accounts", fact.event_id, self.account_id, fact.at)
        before = self.company.key if self.company else None
        self.company = fact.company
        assert self.company is not None
        if self.status in ("not_enrolled", "closed"):
            clause = "E1" if self.status == "not_enrolled" else "E2"
            self._start_inactivity_period(fact.at, evidence)
            self._decide("account_enrolled", clause, fact.at, evidence, to="active")
        elif self.company.key == before:
            return  # E1: the same company changes nothing but its name
        self._joined_terminated_company(fact, evidence)

    def _joined_terminated_company(self, fact: RegistryFact, evidence: Evidence) -> None:
        """T4: terminated by each termination of the company that is neither reversed nor past its period."""
        assert self.company is not None
        for termination in sorted(self.terminations.get(self.company.key, ()), key=lambda each: each.order):
            in_force = termination.upheld.at < fact.at < termination.reapply_from and (
                termination.reversal is None or termination.reversal.at >= fact.at
            )
            if in_force and termination.order not in self.terminations_in_force:
                upheld = termination.upheld
                cause = joined(upheld.event_id, termination.root_account_id, fact.event_id)
                self._terminated(termination, "T4", fact.at, cause, upheld.policy, evidence)

    def closed(self, fact: RegistryFact) -> None:
        """E2: periods, lock-outs and notices end, and nothing is carried over to a new enrolment."""
        if self.status in ("not_enrolled", "closed"):
            return
        self.period = self.locked_out_until = self.spell = None
        self.terminations_in_force.clear()
        evidence = Evidence("seller-accounts", fact.event_id, self.account_id, fact.at)
        self._decide("account_closed", "E2", fact.at, evidence, to="closed")

    # -- orders and requests -------------------------------------------------------------------------------

    def order_became_effective(self, order: EffectiveOrder) -> None:
        """S1, S2, S4: an effective order starts a new inactivity period and restores a suspended account."""
        evidence = Evidence("order-status", order.order_id, self.account_id, order.at)
        if self.status == "active":
            self._start_inactivity_period(order.at, evidence)
        elif self.status in ("suspended", "temporarily_active"):
            clause = "S2" if self.status == "suspended" else "S4"
            self.locked_out_until = None
            self._start_inactivity_period(order.at, evidence)
            details = {"order_id": order.order_id}
            self._decide("account_restored", clause, order.at, evidence, to="active", details=details)
        elif self.spell is not None:
            self.spell.had_order = True

    def requested(self, request: Request) -> None:
        """S3, T3: every request is answered once."""
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
                evidence,
                to="temporarily_active",
                details={"request_id": request.request_id},
                instants={"expires_at": deadline},
            )

    def _reapplication_requested(self, request: Request) -> None:
        """T3: accepted from the earliest instant of a re-application on."""
        if self.status in ("not_enrolled", "closed"):
            self._refused("reapplication_refused", "T3", request, "not_enrolled")
        elif self.status != "terminated":
            self._refused("reapplication_refused", "T3", request, "not_terminated")
        elif request.at < (reapply_from := self._reapply_from()):
            self._refused("reapplication_refused", "T3", request, "too_early", reapply_from)
        else:
            evidence = self._request_evidence(request)
            self.terminations_in_force.clear()
            self.spell = None
            self._start_inactivity_period(request.at, evidence)
            details = {"request_id": request.request_id}
            self._decide("reapplication_accepted", "T3", request.at, evidence, to="active", details=details)

    def _refused(
        self, kind: str, clause: str, request: Request, reason: str, not_before: Instant | None = None
    ) -> None:
        """S3, T3: the request is refused; `not_before` is the instant that the refusal names, if it names one."""
        details = {"request_id": request.request_id, "reason": reason}
        instants = {} if not_before is None else {"not_before": not_before}
        self._decide(kind, clause, request.at, self._request_evidence(request), details=details, instants=instants)

    def _request_evidence(self, request: Request) -> Evidence:
        return Evidence("account-requests", request.request_id, self.account_id, request.at)

    def _reapply_from(self) -> Instant:
        """T3: the latest of the instants that the terminations in force name."""
        return max(termination.reapply_from for termination in self.terminations_in_force.values())

    # -- cases ---------------------------------------------------------------------------------------------

    def warned(self, warned: Warned) -> None:
        """T1: a warning, in any standing but closed and not enrolled."""
        upheld = warned.upheld
        self._decide(
            "violation_warned",
            "T1",
            upheld.at,
            Evidence("complaints", upheld.event_id, self.account_id, upheld.at),
            cause=joined(upheld.event_id, self.account_id),
            details={
                "case_id": upheld.case_id,
                "case_event_id": upheld.event_id,
                "root_account_id": self.account_id,
                "source": upheld.source,
            },
        )

    def belongs_to(self, company_key: str) -> bool:
        """Whether the account belongs to the company, by its latest registry fact."""
        return self.company is not None and self.company.key == company_key

    def company_terminated(self, termination: Termination) -> None:
        """T2: terminated with its company, whatever its standing."""
        if self.status not in ("not_enrolled", "closed"):
            cause = joined(termination.upheld.event_id, termination.root_account_id)
            self._terminated(termination, "T2", termination.upheld.at, cause, None)

    def _terminated(
        self,
        termination: Termination,
        clause: str,
        at: Instant,
        cause: str,
        policy: PolicyStamp | None,
        *joined_by: Evidence,
    ) -> None:
        """T5: termination dominates; periods, activations, notices and lock-outs end."""
        if self.spell is None:
            self.spell = Spell(was_active=self.status == "active")
        self.terminations_in_force[termination.order] = termination
        self.period = self.locked_out_until = None
        upheld, root = termination.upheld, termination.root_account_id
        self._decide(
            "account_terminated",
            clause,
            at,
            case_evidence(upheld, root),
            *joined_by,
            cause=cause,
            to="terminated",
            policy=policy,
            details=case_details(upheld, termination),
            instants={"reapply_from": termination.reapply_from},
        )

    def termination_reversed(self, termination: Termination) -> None:
        """X3: reinstated, unless another termination is in force. `judge` calls it only for one that is in force."""
        del self.terminations_in_force[termination.order]
        if self.terminations_in_force:
            return
        assert self.spell is not None
        assert termination.reversal is not None
        reversal, root = termination.reversal, termination.root_account_id
        evidence = case_evidence(reversal, root)
        active = self.spell.was_active or self.spell.had_order
        self.spell = None
        if active:
            self._start_inactivity_period(reversal.at, evidence)
        self._decide(
            "account_reinstated",
            "X3",
            reversal.at,
            evidence,
            cause=joined(reversal.event_id, root),
            to="active" if active else "suspended",
            details=case_details(reversal, termination),
        )

    # -- the parts of every rule ---------------------------------------------------------------------------

    def _start_inactivity_period(self, start: Instant, evidence: Evidence) -> None:
        """S1: a new inactivity period; it starts no earlier than the first policy."""
        clock = max(start, self.policies.first_start)
        policy = self.policies.judging(clock)
        deadline, notices = policy.inactivity(clock)
        self.period = Period(policy, clock, deadline, notices[::-1], evidence)

    def _decide(
        self,
        kind: str,
        clause: str,
        at: Instant,
        *evidence: Evidence,
        cause: str | None = None,
        to: str | None = None,
        policy: PolicyStamp | None = None,
        details: Mapping[str, str | int] | None = None,
        instants: Mapping[str, Instant] | None = None,
    ) -> None:
        """Set the standing `to`, if given, and add a decision; before the first policy only the standing changes.

        `cause` defaults to the id of the fact, `policy` to the policy in force at `at`.
        """
        before = self.status
        if to is not None:
            if to != before:
                self.since = at
            self.status, self.set_by = to, kind
        if at < self.policies.first_start:
            return
        self.decisions.append(
            Decision(
                kind,
                clause,
                self.account_id,
                self.company,
                at,
                evidence[0].id if cause is None else cause,
                policy or self.policies.judging(at).stamp,
                evidence,
                before,
                self.status,
                details or {},
                instants or {},
            )
        )

    def current_standing(self) -> Standing | None:
        """What `account-standing` states about the account; None for an account that was never enrolled."""
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
        cured_by = cure(self.status, self.locked_out_until, deadline)
        return Standing(self.status, self.since, self.company, deadline, following, self.set_by, cured_by)
