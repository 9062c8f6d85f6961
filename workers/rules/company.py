"""Which cases warn and which terminate a company, and what is published of the company itself (T1, T2, X).

Whether a case terminates depends on the account's own registry and case facts alone, never on its silences;
so the result can be written to the company and is in force for every member at once, without cycles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.rules.calendar import Instant
from workers.rules.decisions import Decision, Evidence, joined
from workers.rules.facts import CaseFact, Company, History, RegistryFact
from workers.rules.policy import Policies, Policy, PolicyStamp

REGISTRY_RANK, CASE_RANK, ORDER_RANK, REQUEST_RANK = 1, 2, 3, 4
"""The order at one instant, after ends of periods and notices (Time)."""

_TAKES_BACK = ("dismissed", "withdrawn", "reversed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case message behind a termination, a warning or its taking back."""

    at: Instant
    event_id: str
    source: str
    company_name: str
    policy: PolicyStamp


@dataclass(frozen=True, slots=True)
class Termination:
    """A company terminated by one upheld case (T2), and what took it back, if anything did (X3)."""

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
    """An upheld case whose penalty is a warning, or a count short of the n-th (T1)."""

    case_id: str
    upheld: CaseFact
    policy: Policy


@dataclass(frozen=True, slots=True)
class CaseEffects:
    """What an account's own cases do: warnings to it, terminations to its company."""

    warnings: tuple[Warned, ...]
    terminations: tuple[Termination, ...]


@dataclass(slots=True)
class _Walk:
    account_id: str
    policies: Policies
    company: Company | None = None
    enrolled: bool = False
    enrolments: int = 0
    in_force: dict[str, int | None] = field(default_factory=dict)  # case id → its termination's index, if any
    counted: dict[tuple[str, int], dict[str, Instant]] = field(default_factory=dict)
    """By category and enrolment, the cases that count, in the order of their outcomes."""
    counted_as: dict[str, tuple[str, int]] = field(default_factory=dict)
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
            _registered(walk, fact)
        elif fact.outcome in _TAKES_BACK:
            _taken_back(walk, fact)
        elif fact.outcome == "upheld":
            policy = policies.in_force(fact.at)
            if policy is not None and policy.exempts(fact):
                _taken_back(walk, fact)  # X1, X2: not against the seller
            elif fact.case_id not in walk.in_force:
                _upheld(walk, fact, policy)
    return CaseEffects(tuple(walk.warnings), tuple(walk.terminations))


def _registered(walk: _Walk, fact: RegistryFact) -> None:
    if fact.status == "enrolled":
        walk.company = fact.company
        if not walk.enrolled:
            walk.enrolments += 1  # E2: no counted case is carried over
        walk.enrolled = True
    else:
        walk.enrolled = False


def _upheld(walk: _Walk, fact: CaseFact, policy: Policy | None) -> None:
    walk.in_force[fact.case_id] = None
    if policy is None or walk.company is None:
        return  # before the first policy, or of an account not enrolled yet (E3): in force, but no penalty
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
    """T1: the table's penalty; short of the n-th upheld case of the category within d days, a warning.

    Of thousands of cases that count, no more are looked at than decide: the newest come first.
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


def _taken_back(walk: _Walk, fact: CaseFact) -> None:
    """X3, X4: the case is not (or no longer) against the seller."""
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
    """Every decision about the company itself: terminated (T2), termination reversed (X3), in time order."""
    moments: list[tuple[Outcome, Termination, bool]] = []
    for termination in terminations:
        moments.append((termination.upheld, termination, True))
        if termination.reversal is not None:
            moments.append((termination.reversal, termination, False))
    moments.sort(key=lambda each: (each[0].at, each[0].event_id, each[1].root_account_id))
    decisions: list[Decision] = []
    holding = 0
    for outcome, termination, terminates in moments:
        before = holding
        holding += 1 if terminates else -1
        decisions.append(_company_decision(key, outcome, termination, terminates, before, holding))
    return tuple(decisions)


def _company_decision(
    key: str, outcome: Outcome, termination: Termination, terminates: bool, before: int, after: int
) -> Decision:
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
    """The case message as a fact that a decision rests on."""
    return Evidence("complaints", outcome.event_id, root_account_id, outcome.at)


def case_details(outcome: Outcome, termination: Termination) -> dict[str, str | int]:
    """What every decision about a case names of it."""
    return {
        "case_id": termination.case_id,
        "case_event_id": outcome.event_id,
        "root_account_id": termination.root_account_id,
        "source": outcome.source,
    }
