"""Which cases warn and which terminate a company (T1, T2, X1 to X4), and the decisions about a company.

Whether a case terminates depends only on the registry and case facts of the account it is against, never on a
deadline. So the result can be stored with the company and holds for all of its accounts, and nothing is circular.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.rules.calendar import Instant
from workers.rules.decisions import Decision, Evidence, joined
from workers.rules.facts import CaseFact, Company, History, RegistryFact
from workers.rules.policy import Policies, Policy, PolicyStamp

REGISTRY_RANK, CASE_RANK, ORDER_RANK, REQUEST_RANK = 1, 2, 3, 4
"""The order of facts at one instant. Ends of periods and notices come before all of them."""

_REVERSING = ("dismissed", "withdrawn", "reversed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case fact that terminates a company or reverses a termination, and the policy that judged it."""

    at: Instant
    event_id: str
    source: str
    company_name: str
    policy: PolicyStamp


@dataclass(frozen=True, slots=True)
class Termination:
    """A company terminated by one upheld case (T2), and what reversed that, if anything did (X3)."""

    company_key: str
    root_account_id: str
    case_id: str
    upheld: Outcome
    reapply_from: Instant
    reversal: Outcome | None = None

    @property
    def order(self) -> tuple[Instant, str, str]:
        """Its place among the terminations of all accounts."""
        return (self.upheld.at, self.upheld.event_id, self.root_account_id)


@dataclass(frozen=True, slots=True)
class Warned:
    """An upheld case whose penalty is a warning, or that is one of the cases before the n-th (T1)."""

    case_id: str
    upheld: CaseFact
    policy: Policy


@dataclass(frozen=True, slots=True)
class CaseEffects:
    """What follows from an account's own cases: warnings to it, terminations of its company."""

    warnings: tuple[Warned, ...]
    terminations: tuple[Termination, ...]


@dataclass(slots=True)
class _Walk:
    """The state of one walk through the registry and case facts of an account."""

    account_id: str
    policies: Policies
    company: Company | None = None
    enrolled: bool = False
    enrolments: int = 0
    in_force: dict[str, int | None] = field(default_factory=dict)
    """The upheld cases by case id, each with the index of its termination, if it terminates."""
    counted: dict[tuple[str, int], dict[str, Instant]] = field(default_factory=dict)
    """The outcomes of the cases that count by case id, oldest first, for each category and enrolment."""
    counted_as: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The key of `counted` by case id."""
    warnings: list[Warned] = field(default_factory=list)
    terminations: list[Termination] = field(default_factory=list)


def case_effects(account_id: str, history: History, policies: Policies) -> CaseEffects:
    """The warnings and terminations that follow from the account's own cases (T1, X1 to X4)."""
    if not history.cases:
        return CaseEffects((), ())
    walk = _Walk(account_id, policies)
    facts: list[RegistryFact | CaseFact] = [*history.registry, *history.cases]
    facts.sort(
        key=lambda fact: (
            fact.at,
            REGISTRY_RANK if isinstance(fact, RegistryFact) else CASE_RANK,
            fact.event_id,
        )
    )
    for fact in facts:
        if isinstance(fact, RegistryFact):
            _register(walk, fact)
        elif fact.outcome in _REVERSING:
            _reverse(walk, fact)
        elif fact.outcome == "upheld":
            policy = policies.in_force(fact.at)
            if policy is not None and policy.exempts(fact):
                _reverse(walk, fact)  # X1, X2: the case is not against the seller
            elif fact.case_id not in walk.in_force:
                _uphold(walk, fact, policy)
    return CaseEffects(tuple(walk.warnings), tuple(walk.terminations))


def _register(walk: _Walk, fact: RegistryFact) -> None:
    if fact.status == "enrolled":
        walk.company = fact.company
        if not walk.enrolled:
            walk.enrolments += 1  # E2: no case counts beyond a closing
        walk.enrolled = True
    else:
        walk.enrolled = False


def _uphold(walk: _Walk, fact: CaseFact, policy: Policy | None) -> None:
    walk.in_force[fact.case_id] = None
    if policy is None or walk.company is None:
        return  # E3: no penalty before the first policy or the first enrolment; the outcome is in force all the same
    counted_as = walk.counted_as[fact.case_id] = (fact.category, walk.enrolments)
    counted = walk.counted.setdefault(counted_as, {})
    counted[fact.case_id] = fact.at
    penalty = _penalty(fact, policy, counted)
    if penalty == "terminate":
        walk.in_force[fact.case_id] = len(walk.terminations)
        walk.terminations.append(
            Termination(
                walk.company.key,
                walk.account_id,
                fact.case_id,
                Outcome(fact.at, fact.event_id, fact.source, walk.company.name, policy.stamp),
                policy.period_end(fact.at, policy.reapply_days),
            )
        )
    elif penalty == "warn" and walk.enrolled:
        walk.warnings.append(Warned(fact.case_id, fact, policy))


def _penalty(fact: CaseFact, policy: Policy, counted: dict[str, Instant]) -> str:
    """T1: the penalty of the violation table; before the n-th upheld case within d days it is a warning.

    The newest cases are counted first, so an account with thousands of cases costs no more than one with n.
    """
    violation = policy.violations.get(fact.category)
    if violation is None:
        return "none"
    if violation.penalty != "terminate":
        return violation.penalty
    for count, (_, at) in enumerate(reversed(counted.items()), 1):
        if violation.within_days is not None and fact.at >= policy.period_end(at, violation.within_days):
            break
        if count == violation.after:
            return "terminate"
    return "warn"


def _reverse(walk: _Walk, fact: CaseFact) -> None:
    """X3, X4: the case is not, or no longer, against the seller."""
    index = walk.in_force.pop(fact.case_id, None)
    counted_as = walk.counted_as.pop(fact.case_id, None)
    if counted_as is not None:
        del walk.counted[counted_as][fact.case_id]
    if index is None:
        return
    termination = walk.terminations[index]
    assert walk.company is not None
    walk.terminations[index] = Termination(
        termination.company_key,
        termination.root_account_id,
        termination.case_id,
        termination.upheld,
        termination.reapply_from,
        Outcome(fact.at, fact.event_id, fact.source, walk.company.name, walk.policies.judging(fact.at).stamp),
    )


def company_decisions(key: str, terminations: Iterable[Termination]) -> tuple[Decision, ...]:
    """The decisions about a company in the order of time: terminated (T2), termination reversed (X3)."""
    moments: list[tuple[Outcome, Termination, bool]] = []
    for termination in terminations:
        moments.append((termination.upheld, termination, True))
        if termination.reversal is not None:
            moments.append((termination.reversal, termination, False))
    moments.sort(key=lambda each: (each[0].at, each[0].event_id, each[1].root_account_id))
    decisions: list[Decision] = []
    in_force = 0
    for outcome, termination, terminates in moments:
        before = in_force
        in_force += 1 if terminates else -1
        decisions.append(_company_decision(key, outcome, termination, terminates, before, in_force))
    return tuple(decisions)


def _company_decision(
    key: str, outcome: Outcome, termination: Termination, terminates: bool, before: int, after: int
) -> Decision:
    """T2, X3: a termination or its reversal; `before` and `after` count the terminations in force."""
    return Decision(
        kind="company_terminated" if terminates else "company_termination_reversed",
        clause="T2" if terminates else "X3",
        subject=key,
        company=Company(key, outcome.company_name),
        effective_at=outcome.at,
        cause=joined(outcome.event_id, termination.root_account_id),
        policy=outcome.policy,
        evidence=(case_evidence(outcome, termination.root_account_id),),
        standing_before="terminated" if before else "active",
        standing_after="terminated" if after else "active",
        details=case_details(outcome, termination),
    )


def case_evidence(outcome: Outcome, root_account_id: str) -> Evidence:
    """The case fact as evidence of a decision."""
    return Evidence("complaints", outcome.event_id, root_account_id, outcome.at)


def case_details(outcome: Outcome, termination: Termination) -> dict[str, str | int]:
    """The fields that name the case of a decision."""
    return {
        "case_id": termination.case_id,
        "case_event_id": outcome.event_id,
        "root_account_id": termination.root_account_id,
        "source": outcome.source,
    }
