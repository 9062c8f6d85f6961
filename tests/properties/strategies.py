"""What the properties are tried on: policies that follow one another, and small histories crowded around deadlines.

Every instant of a history is one that matters (the start of a policy, the end or a notice of a period that some
fact before it begins), a microsecond before it, or one after. It owns no rule and judges nothing.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.model.policies import Policy as ModelPolicy
from tests.model.story import activation, case, closed, enrolled, local, order, reapplication
from tests.support.rules_engine import Message, both
from workers.rules.calendar import Instant
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY

FAR: Instant = local("2100-01-01")
"""A watermark behind all that can happen."""

PLACES = (
    ("America/New_York", "2016-03-11"),
    ("Europe/Berlin", "2016-10-28"),
    ("America/Sao_Paulo", "2016-10-14"),
    ("America/Havana", "2016-03-11"),
    ("America/Havana", "2016-11-04"),
    ("Pacific/Apia", "2011-12-28"),
    ("Asia/Shanghai", "2016-02-03"),
)
"""Zones, each with a day before its clocks change; those of Sao Paulo and Havana do at midnight, Shanghai's never.

Apia's leave out a whole day, 30 December 2011."""


def examples(number: int) -> settings:
    """So many examples of a property; EXAMPLES multiplies them."""
    number = round(number * float(os.environ.get("EXAMPLES", "1")))
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, slots=True)
class World:
    """The same policies for the model and for the engine."""

    texts: tuple[str, ...]
    model: list[ModelPolicy] = field(repr=False)
    policies: Policies = field(repr=False)


def world_of(*texts: str) -> World:
    """A world of policy files."""
    return World(texts, *both(*texts))


def policy_text(
    name: str, start: str, zone: str, day_count: str, days: tuple[int, int, int, int], notices: list[int],
    activation_notices: list[int], after: int, within: int,
) -> str:  # fmt: skip
    """A policy file; `days` are those of inactivity, activation, lock-out and re-application."""
    inactivity, temporary, lockout, reapply = days
    return f"""
id = "{name}"
effective_from = {start}
time_zone = "{zone}"
day_count = "{day_count}"
inactivity_days = {inactivity}
activation_days = {temporary}
lockout_days = {lockout}
reapply_days = {reapply}
inactivity_notices = {notices}
activation_notices = {activation_notices}
exempt_causes = ["onetouch_unable"]
[violations.refusal]
penalty = "terminate"
exempt_causes = ["terms_not_agreed"]
minimum_order_value = {{ value = "50.00", currency = "USD" }}
[violations.late]
penalty = "terminate"
after = {after}
within_days = {within}
[violations.rude]
penalty = "warn"
[violations.small]
penalty = "none"
"""


@st.composite
def worlds(draw: DrawFn) -> World:
    """One to three policies within a few days of each other, mostly where the clocks change."""
    place, day = draw(st.sampled_from(PLACES))
    began = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    few = st.integers(1, 5)
    notices = st.lists(st.integers(1, 4), unique=True, max_size=2)
    texts = []
    quarters = {draw(st.integers(0, 4)), *draw(st.lists(st.integers(0, 12 * 4), max_size=2))}
    for number, quarter in enumerate(sorted(quarters)):
        start = (began + timedelta(hours=6 * quarter)).isoformat()
        zone, day_count = draw(st.sampled_from([place, place, "UTC"])), draw(st.sampled_from(["calendar", "elapsed"]))
        days = draw(st.tuples(few, few, few, few))
        after, within = draw(st.integers(1, 3)), draw(few)
        texts.append(
            policy_text(f"p{number}", start, zone, day_count, days, draw(notices), draw(notices), after, within)
        )
    return world_of(*texts)


def boundaries(world: World, at: Instant) -> list[Instant]:
    """The instant itself, a few times over, and the ends and notices of every period that could begin at it."""
    found = [at] * 4
    for policy in world.model:
        begin = max(at, world.policies.first_start)
        for days, notices in (
            (policy.inactivity_days, policy.inactivity_notices),
            (policy.activation_days, policy.activation_notices),
        ):
            end = policy.period_end(begin, days)
            found += [end, *(policy.notice_instant(end, before) for before in notices)]
        found += [policy.period_end(begin, days) for days in (policy.lockout_days, policy.reapply_days)]
        within = policy.violations["late"].within_days
        if within is not None:
            found.append(policy.period_end(begin, within))
    return found


@st.composite
def beside(draw: DrawFn, instants: list[Instant]) -> Instant:
    """One of these instants, a microsecond before it, or one after."""
    return draw(st.sampled_from(instants)) + draw(st.sampled_from([0, -1, 1]))


UPHELD = {"outcome": "upheld"}
OUTCOMES: list[dict[str, Any]] = [
    UPHELD,
    UPHELD | {"source": "platform_inspection"},
    UPHELD | {"category": "late"},
    UPHELD | {"category": "late"},
    UPHELD | {"category": "rude"},
    UPHELD | {"category": "small"},
    UPHELD | {"cause": "onetouch_unable"},
    UPHELD | {"cause": "terms_not_agreed"},
    UPHELD | {"order_amount": {"value": "49.99", "currency": "USD"}},
    UPHELD | {"order_amount": {"value": "50.00", "currency": "USD"}},
    {"outcome": "dismissed"},
    {"outcome": "withdrawn"},
    {"outcome": "reversed"},
    {"outcome": "opened"},
]
KINDS = (
    "order",
    "activation",
    "case",
    "order",
    "activation",
    "upheld",
    "case",
    "reapplication",
    "enrolled",
    "closed",
)


@st.composite
def facts(draw: DrawFn, at: Instant, name: str, kinds: tuple[str, ...], accounts: str) -> Message:
    """One message of that instant, its ids after `name`."""
    account = draw(st.sampled_from(accounts))
    match draw(st.sampled_from(kinds)):
        case "enrolled":
            return enrolled(at, account, draw(st.sampled_from("ccd")), name)
        case "closed":
            return closed(at, account, name)
        case "order":
            previous = draw(st.sampled_from([None, None, None, "drafted", "awaiting_prepayment_confirmation"]))
            return order(at, account, name, event_id=name, previous_status=previous)
        case "activation":
            return activation(at, account, name)
        case "reapplication":
            return reapplication(at, account, name)
        case "upheld":
            return case(at, account=account, case_id=name, event_id=name)
        case _:
            case_id = draw(st.sampled_from(["k1", "k2"]))
            return case(at, account=account, case_id=case_id, event_id=name, **draw(st.sampled_from(OUTCOMES)))


@st.composite
def histories(
    draw: DrawFn, world: World, most: int = 8, least: int = 1, kinds: tuple[str, ...] = KINDS, accounts: str = "abx"
) -> list[Message]:
    """Messages in no order, mostly of enrolled accounts, each at an instant that an earlier one makes matter."""
    instants = [policy.effective_from for policy in world.model]
    history: list[Message] = []
    size = draw(st.integers(least, most))
    newcomers = min(draw(st.sampled_from([1, 2, 2, 3, 1, 0])), len(accounts), (size + 1) // 2)
    busy = accounts[:newcomers] * 4 + accounts
    for number in range(size):
        base = instants[-1] if draw(st.booleans()) else draw(st.sampled_from(instants))
        at = draw(beside(boundaries(world, base) if number else instants[:1]))
        instants.append(at)
        if number < newcomers:
            history.append(draw(facts(at, f"n{number}", ("enrolled",), accounts[number])))
        else:
            history.append(draw(facts(at, f"n{number}", kinds, busy)))
    return history


def instants_of(world: World, history: list[Message]) -> list[Instant]:
    """Every instant that matters to a history."""
    given = {content["occurred_at"] for _, content in history}
    return sorted({at for base in given for at in boundaries(world, base)} | {p.effective_from for p in world.model})


def watermarks(world: World, history: list[Message]) -> SearchStrategy[Instant]:
    """A watermark beside an instant that matters, or before or behind everything."""
    return st.one_of(beside(instants_of(world, history)), st.sampled_from([FAR, MINUS_INFINITY]))
