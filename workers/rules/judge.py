"""The judgement of one account: every decision from its first fact on, its standing, and when to look again.

`judge` walks an account's facts and its companies' terminations in the order of time. Between two of them it
lets silence speak (deadlines and notices), but only up to the watermark: what lies behind an undecided silence
waits. The invariant: the same facts give the same judgement, in whatever order they arrived.
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
class Hit:
    """A termination at the instant its case was upheld (T2)."""

    termination: Termination


@dataclass(frozen=True, slots=True)
class Reversed:
    """A termination at the instant it is taken back (X3)."""

    termination: Termination


Event = RegistryFact | Warned | Hit | Reversed | OrderSpan | EffectiveOrder | Request


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules conclude of one account.

    `standing` is None where nothing may be said of it yet: never enrolled, or before the first policy.
    `next_check` is the next instant at which silence alone would decide something; it may be early, is never
    late, and is always beyond the watermark. `waits` says that facts lie behind it, not judged yet.
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
    """Judge an account by its history and the terminations of the companies it ever belonged to.

    `terminations` maps a company key to all its terminations, reversed ones included; those that the
    account's own cases brought about are among them. With `known_until` the judgement stops there: it is what
    the account was at that instant, which a fact or a period's end at exactly that instant belongs to.
    """
    if known_until is not None:
        watermark = min(watermark, known_until)
    account = Account(account_id, policies, terminations)
    waits = False
    reached = watermark
    unbroken_until: Instant | None = None
    for at, event in _events(account_id, history, terminations, policies):
        if known_until is not None and at > known_until:
            break
        reached = max(reached, at)  # also by facts that wait: what they changed before may have been said
        if not _concerns(account, event):
            continue
        unbroken = unbroken_until is not None and at <= unbroken_until
        if not unbroken and not _apply_deadlines(account, at, watermark):
            waits = True
            break
        if isinstance(event, OrderSpan):  # between its orders no silence decides anything
            unbroken_until = event.last.at
        _apply(account, at, event)
    if not waits and (unbroken_until is None or unbroken_until <= watermark or known_until is None):
        _apply_deadlines(account, None, watermark)
    standing = account.says() if reached >= policies.first_start else None
    next_check = _next_check(account, watermark, said=standing is not None)
    return Judgement(tuple(account.decisions), account.status, standing, next_check, waits)


def _apply_deadlines(account: Account, until: Instant | None, watermark: Instant) -> bool:
    """Enforce what deadlines decide up to and including `until`; False if that lies beyond the watermark."""
    while (deadline := account.next_deadline()) is not None and (until is None or deadline <= until):
        if deadline > watermark:
            return False
        account.deadline()
    return True


def _concerns(account: Account, event: Event) -> bool:
    """Whether the account is one that it can change: one that left a company need not wait for its terminations."""
    match event:
        case Hit():
            return account.belongs_to(event.termination.company_key)
        case Reversed():
            return event.termination.order in account.held_by
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
        case Hit():
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


def _next_check(account: Account, watermark: Instant, *, said: bool) -> Instant | None:
    """The next silence, but never beyond the start of the policy after the one that judges it.

    Before the first policy an account that is enrolled wakes when it begins, to be spoken of.
    """
    policies, period = account.policies, account.period
    first = None if said or account.status == "not_enrolled" else policies.first_start
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
    """All that happened to the account, in the order of time and, at one instant, of the rulebook (Time)."""
    found: list[tuple[tuple[Instant, int, str, str], Event]] = []
    for fact in history.registry:
        found.append(((fact.at, REGISTRY_RANK, fact.event_id, account_id), fact))
    for warned in case_effects(account_id, history, policies).warnings:
        found.append(((warned.upheld.at, CASE_RANK, warned.upheld.event_id, account_id), warned))
    for company_terminations in terminations.values():
        for termination in company_terminations:
            root, upheld, reversal = termination.root_account_id, termination.upheld, termination.reversal
            found.append(((upheld.at, CASE_RANK, upheld.event_id, root), Hit(termination)))
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
