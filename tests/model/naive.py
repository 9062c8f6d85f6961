"""The naive model, the independent judge of the engine: one walk through time over all accounts and companies.

It is written from the rulebook alone, shares no code with the engine, and is evidently right rather than fast.
The same messages give the same decisions in force whatever the order in which they are handed over.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.model.account import Account, Termination
from tests.model.calendar import Instant
from tests.model.decisions import TOPIC_OF_KIND, Decision
from tests.model.policies import Policy, Violation, in_order, policy_at
from tests.model.reading import Fact, Message, amount_below, company_key, is_effective_order, read

RANK_OF_TOPIC = {"seller-accounts": 0, "complaints": 1, "order-status": 2, "account-requests": 3}


@dataclass(slots=True)
class Case:
    """A case against an account: whether its outcome in force is upheld against the seller, and what followed."""

    upheld: Fact | None = None
    termination: Termination | None = None


@dataclass(frozen=True, slots=True)
class AccountResult:
    """Where an account ends; `deferred_from` is the first deadline beyond the watermark, after which facts are
    deferred.
    """

    standing: str
    since: Instant | None
    company: str | None
    deadline: Instant | None
    locked_out_until: Instant | None
    reapply_from: Instant | None
    deferred_from: Instant | None


@dataclass(frozen=True, slots=True)
class Result:
    """All decisions in force by their instants (an account's in its own order), and where everybody ends."""

    decisions: list[Decision]
    accounts: dict[str, AccountResult]
    terminations: dict[str, list[Termination]]
    dead_letters: list[tuple[str, Message]]


def walk(
    messages: Iterable[Message], policies: Iterable[Policy], watermark: float = math.inf, now: float = math.inf
) -> Result:
    """The decisions of the rulebook about these messages, with deadlines up to the watermark (microseconds)."""
    ordered = in_order(policies)
    reading = read(messages, ordered, now)
    run = Walk(ordered, watermark)
    for fact in reading.facts:
        run.account(fact.account_id)
    for fact in sorted(reading.facts, key=place_in_time):
        run.take(fact)
    for account in run.accounts.values():
        account.is_awake(watermark, watermark)
    decisions = sorted(run.decisions, key=lambda decision: decision.effective_at)
    accounts = {account.id: result_of(account) for account in run.accounts.values()}
    return Result(decisions, accounts, run.terminations, reading.dead_letters)


def place_in_time(fact: Fact) -> tuple[Instant, int, str, str]:
    """Facts by their instant; at one instant by kind, then by id, then by account."""
    within_kind = fact.fields["order_id"] if fact.topic == "order-status" else fact.id
    return fact.at, RANK_OF_TOPIC[fact.topic], within_kind, fact.account_id


def result_of(account: Account) -> AccountResult:
    """The end of one account."""
    return AccountResult(
        standing=account.standing,
        since=account.since,
        company=account.company,
        deadline=account.period.deadline if account.period else None,
        locked_out_until=account.locked_out_until,
        reapply_from=account.reapply_from(),
        deferred_from=account.deferred_from,
    )


class Walk:
    """The state of everything at one instant, and the decisions so far."""

    def __init__(self, policies: tuple[Policy, ...], watermark: float) -> None:
        self.policies = policies
        self.watermark = watermark
        self.accounts: dict[str, Account] = {}
        self.cases: dict[tuple[str, str], Case] = {}
        self.terminations: dict[str, list[Termination]] = {}
        self.decisions: list[Decision] = []

    def account(self, account_id: str) -> Account:
        """The account of an id, made when it is first named."""
        if account_id not in self.accounts:
            self.accounts[account_id] = Account(account_id, self.policies, self.policy_at, self.decide)
        return self.accounts[account_id]

    def policy_at(self, at: Instant) -> Policy | None:
        """The policy in force at an instant, none before the first."""
        return policy_at(self.policies, at)

    def take(self, fact: Fact) -> None:
        """One fact, after the deadlines before it. Registry facts and cases count even if others are deferred."""
        account = self.account(fact.account_id)
        awake = account.is_awake(fact.at, self.watermark)
        if fact.topic == "seller-accounts":
            self.take_registry(account, fact, awake)
        elif fact.topic == "complaints":
            self.take_case(account, fact, awake)
        elif not awake:
            return
        elif fact.topic == "account-requests":
            if fact.fields["kind"] == "temporary_activation":
                account.ask_for_activation(fact)
            else:
                account.reapply(fact)
        elif is_effective_order(fact):
            account.take_order(fact)

    def take_registry(self, account: Account, fact: Fact, awake: bool) -> None:
        """E1, E2: enrolments, moves and closings; T4 for who comes under a terminated company."""
        if fact.fields["status"] == "closed":
            if account.enrolled:
                account.enrolled = False
                if awake:
                    account.close(fact)
            return
        company = company_key(fact.fields)
        if account.enrolled and account.company == company:
            return
        is_enrolment, is_first = not account.enrolled, account.company is None
        account.company = company
        if is_enrolment:
            account.enrolled, account.enrolled_at = True, fact.at
            if awake:
                account.enrol(fact, "E1" if is_first else "E2")
        if awake:
            self.terminate_newcomer(account, company, fact)

    def terminate_newcomer(self, account: Account, company: str, fact: Fact) -> None:
        """T4: each termination of the company that is in force and does not hold the account already."""
        for termination in self.terminations.get(company, []):
            in_force = termination.reversed_at is None and fact.at < termination.reapply_from
            if in_force and termination not in account.holders:
                cause = "\n".join((termination.event_id, termination.root_account_id, fact.id))
                account.terminate(termination, "T4", fact.at, cause)

    def take_case(self, account: Account, fact: Fact, awake: bool) -> None:
        """The outcome in force of a case changes, or not; T1 for one upheld now, X3 and X4 for one no more."""
        if fact.fields["outcome"] == "opened":
            return
        case = self.cases.setdefault((account.id, fact.fields["case_id"]), Case())
        against_seller = fact.fields["outcome"] == "upheld" and not self.is_exempt(fact)
        if against_seller and case.upheld is None:
            case.upheld = fact
            self.judge_upheld(account, case, fact, awake)
        elif not against_seller and case.upheld is not None:
            case.upheld = None
            if case.termination is not None:
                self.take_back(case.termination, fact)
                case.termination = None

    def is_exempt(self, fact: Fact) -> bool:
        """X1 by the policy's exempt causes; X2 by those of the category, and by its minimum order value."""
        policy = self.policy_at(fact.at)
        if policy is None:
            return False
        if fact.fields["cause"] in policy.exempt_causes:
            return True
        row = policy.violations.get(fact.fields["category"])
        if row is None:
            return False
        too_small = amount_below(fact, row.minimum_order_value, row.minimum_order_currency)
        return fact.fields["cause"] in row.exempt_causes or too_small

    def judge_upheld(self, account: Account, case: Case, fact: Fact, awake: bool) -> None:
        """T1: the penalty of the violation table, for an account that is or was enrolled."""
        policy = self.policy_at(fact.at)
        row = policy.violations.get(fact.fields["category"]) if policy else None
        if policy is None or row is None or account.company is None or row.penalty == "none":
            return
        if row.penalty == "terminate" and self.upheld_cases(account, fact, policy, row) >= row.after:
            case.termination = self.terminate_company(account.company, fact, policy)
        elif account.enrolled and awake:
            said = case_fields(fact)
            cause = f"{fact.id}\n{account.id}"
            self.decide(account, "violation_warned", "T1", fact.at, cause, account.standing, **said)

    def upheld_cases(self, account: Account, fact: Fact, policy: Policy, row: Violation) -> int:
        """T1: how many upheld cases of the category count at this outcome, it included."""
        counted = 1
        for (account_id, case_id), case in self.cases.items():
            if account_id != account.id or case_id == fact.fields["case_id"] or case.upheld is None:
                continue
            earlier = case.upheld
            same_category = earlier.fields["category"] == fact.fields["category"]
            since = max(account.enrolled_at, self.policies[0].effective_from)
            recent = row.within_days is None or fact.at < policy.period_end(earlier.at, row.within_days)
            if same_category and earlier.at >= since and recent:
                counted += 1
        return counted

    def terminate_company(self, company: str, fact: Fact, policy: Policy) -> Termination:
        """T2: at the outcome's instant, every account that then belongs to the company."""
        termination = Termination(
            company=company,
            root_account_id=fact.account_id,
            case_id=fact.fields["case_id"],
            event_id=fact.id,
            source=fact.fields["source"],
            at=fact.at,
            policy=policy,
            reapply_from=policy.period_end(fact.at, policy.reapply_days),
        )
        self.terminations.setdefault(company, []).append(termination)
        cause = f"{fact.id}\n{fact.account_id}"
        self.decide_company("company_terminated", "T2", company, fact, policy)
        for member in self.accounts.values():
            if member.enrolled and member.company == company and member.is_awake(fact.at, self.watermark):
                member.terminate(termination, "T2", fact.at, cause)
        return termination

    def take_back(self, termination: Termination, fact: Fact) -> None:
        """X3: the termination is reversed for the company and for each account that it still holds."""
        termination.reversed_at = fact.at
        policy = self.policy_at(fact.at)
        assert policy is not None
        self.decide_company("company_termination_reversed", "X3", termination.company, fact, policy)
        for account in self.accounts.values():
            if termination in account.holders:
                account.release(termination, fact.at, f"{fact.id}\n{fact.account_id}", case_fields(fact))

    def decide(
        self,
        account: Account,
        kind: str,
        clause: str,
        at: Instant,
        cause: str,
        before: str,
        policy: Policy | None = None,
        **fields: Any,
    ) -> None:
        """Writes down a decision about an account: by the policy given, else by the one in force at its instant."""
        judged_by = policy or self.policy_at(at)
        if judged_by is None:
            return
        self.decisions.append(
            Decision(
                topic=TOPIC_OF_KIND[kind],
                kind=kind,
                clause=clause,
                subject=account.id,
                account_id=account.id,
                company=account.company,
                effective_at=at,
                cause=cause,
                policy_id=judged_by.id,
                policy_digest=judged_by.digest,
                standing_before=before,
                standing_after=account.standing,
                **fields,
            )
        )

    def decide_company(self, kind: str, clause: str, company: str, fact: Fact, policy: Policy) -> None:
        """Writes down a decision about a company."""
        cause = f"{fact.id}\n{fact.account_id}"
        self.decisions.append(
            Decision(
                topic=TOPIC_OF_KIND[kind],
                kind=kind,
                clause=clause,
                subject=company,
                account_id=None,
                company=company,
                effective_at=fact.at,
                cause=cause,
                policy_id=policy.id,
                policy_digest=policy.digest,
                **case_fields(fact),
            )
        )


def case_fields(fact: Fact) -> dict[str, Any]:
    """What a decision says of the case outcome behind it."""
    return {
        "case_id": fact.fields["case_id"],
        "case_event_id": fact.id,
        "root_account_id": fact.account_id,
        "source": fact.fields["source"],
    }
