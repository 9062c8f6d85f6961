"""The judgement of one account: every decision since its first fact, its standing, and its next check.

`judge` goes through the facts of an account and the terminations of its companies in the order of time. Between two
of them it enforces deadlines and notices, but only up to the watermark: facts behind a deadline beyond the watermark
are deferred. The invariant: the same facts give the same judgement, in whatever order they arrived.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workers.rules.account import Account
from workers.rules.calendar import Instant
from workers.rules.company import (
    CASE_RANK,
    ORDER_RANK,
    REGISTRY_RANK,
    REQUEST_RANK,
    Termination,
    Warned,
    case_effects,
)
from workers.rules.decisions import Decision
from workers.rules.facts import EffectiveOrder, History, OrderSpan, RegistryFact, Request
from workers.rules.policy import Policies
from workers.rules.standing import Standing


@dataclass(frozen=True, slots=True)
class Terminated:
    """A termination, at the instant at which its case was upheld (T2)."""

    termination: Termination


@dataclass(frozen=True, slots=True)
class Reversed:
    """A termination, at the instant at which it is reversed (X3)."""

    termination: Termination


Event = RegistryFact | Warned | Terminated | Reversed | OrderSpan | EffectiveOrder | Request


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules conclude about one account.

    `standing` is None for an account that was never enrolled, and before the first policy. `next_check` is the
    instant at which the account must be judged again, even if no fact arrives: it may be earlier than the next
    deadline, is never later, and is always beyond the watermark. `deferred` says that facts behind a deadline
    beyond the watermark are not judged yet.
    """

    decisions: tuple[Decision, ...]
    status: str
    standing: Standing | None
    next_check: Instant | None
    deferred: bool


def judge(
    account_id: str,
    history: History,
    terminations: Mapping[str, Sequence[Termination]],
    policies: Policies,
    watermark: Instant,
    known_until: Instant | None = None,
) -> Judgement:
    """Judge an account by its history and the terminations of every company that it ever belonged to.

    `terminations` maps a company key to all terminations of the company, also the reversed ones and those that
    follow from the account's own cases. With `known_until` the result is the account as it was at that instant,
    facts and deadlines at exactly that instant included.
    """
    if known_until is not None:
        watermark = min(watermark, known_until)
    account = Account(account_id, policies, terminations)
    deferred = False
    reached = watermark
    unbroken_until: Instant | None = None
    for at, event in _events(account_id, history, terminations, policies):
        if known_until is not None and at > known_until:
            break
        reached = max(reached, at)  # also by deferred facts: what they changed may have been published before
        if not _concerns(account, event):
            continue
        unbroken = unbroken_until is not None and at <= unbroken_until
        if not unbroken and not _apply_deadlines(account, at, watermark):
            deferred = True
            break
        if isinstance(event, OrderSpan):  # no deadline falls between its orders
            unbroken_until = event.last.at
        _apply(account, at, event)
    if not deferred and (unbroken_until is None or unbroken_until <= watermark or known_until is None):
        _apply_deadlines(account, None, watermark)
    standing = account.current_standing() if reached >= policies.first_start else None
    next_check = _next_check(account, watermark, has_standing=standing is not None)
    return Judgement(tuple(account.decisions), account.status, standing, next_check, deferred)


def _apply_deadlines(account: Account, until: Instant | None, watermark: Instant) -> bool:
    """Enforce the deadlines up to and including `until`; False where one of them is beyond the watermark."""
    while (deadline := account.next_deadline()) is not None and (until is None or deadline <= until):
        if deadline > watermark:
            return False
        account.enforce_deadline()
    return True


def _concerns(account: Account, event: Event) -> bool:
    """Whether the event can change the account: a termination of a company that it left cannot."""
    match event:
        case Terminated():
            return account.belongs_to(event.termination.company_key)
        case Reversed():
            return event.termination.order in account.terminations_in_force
        case _:
            return True


def _apply(account: Account, at: Instant, event: Event) -> None:
    match event:
        case RegistryFact(status="enrolled"):
            account.enrolled(event)
        case RegistryFact():
            account.closed(event)
        case Warned():
            account.warned(event)
        case Terminated():
            account.company_terminated(event.termination)
        case Reversed():
            account.termination_reversed(event.termination)
        case OrderSpan():
            account.order_became_effective(event.first)
        case EffectiveOrder():
            account.order_became_effective(event)
        case Request():
            if at >= account.policies.first_start:
                account.requested(event)


def _next_check(account: Account, watermark: Instant, *, has_standing: bool) -> Instant | None:
    """The next deadline, but no later than the start of the next policy.

    An account that is enrolled before the first policy is checked at its start, to publish the standing.
    """
    policies, period = account.policies, account.period
    first = None if has_standing or account.status == "not_enrolled" else policies.first_start
    if period is None:
        return first
    following = policies.next_start(max(watermark, period.start))
    deadline = account.next_deadline()
    return min(each for each in (deadline, following, first) if each is not None)


def _events(
    account_id: str,
    history: History,
    terminations: Mapping[str, Sequence[Termination]],
    policies: Policies,
) -> Iterator[tuple[Instant, Event]]:
    """All events of the account in the order of time and, at one instant, in the order that docs/rules.md gives."""
    found: list[tuple[tuple[Instant, int, str, str], Event]] = []
    for fact in history.registry:
        found.append(((fact.at, REGISTRY_RANK, fact.event_id, account_id), fact))
    for warned in case_effects(account_id, history, policies).warnings:
        found.append(((warned.upheld.at, CASE_RANK, warned.upheld.event_id, account_id), warned))
    for company_terminations in terminations.values():
        for termination in company_terminations:
            root, upheld, reversal = termination.root_account_id, termination.upheld, termination.reversal
            found.append(((upheld.at, CASE_RANK, upheld.event_id, root), Terminated(termination)))
            if reversal is not None:
                found.append(((reversal.at, CASE_RANK, reversal.event_id, root), Reversed(termination)))
    for span in history.orders:
        found.append(((span.first.at, ORDER_RANK, span.first.order_id, account_id), span))
        if span.last != span.first:
            found.append(((span.last.at, ORDER_RANK, span.last.order_id, account_id), span.last))
    for request in history.requests:
        found.append(((request.at, REQUEST_RANK, request.request_id, account_id), request))
    found.sort(key=lambda each: each[0])
    return ((key[0], event) for key, event in found)
