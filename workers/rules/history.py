"""Keeps histories tiny: of the effective orders only the two ends of a long silence can ever matter.

Owns the compression of orders into spans and the conditions under which an order needs no judgement at all.
The invariant: judging the compressed history gives what judging the full one would, for a late order can
split a silence but never make one.
"""

from collections.abc import Iterable, Sequence

from workers.rules.calendar import Instant
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.rules.policy import Policies


def add_orders(
    spans: Sequence[OrderSpan], orders: Iterable[EffectiveOrder], policies: Policies
) -> tuple[OrderSpan, ...]:
    """`spans` with `orders` taken in, in any order and any number of times."""
    pieces = [*spans, *(OrderSpan(order, order) for order in orders)]
    pieces.sort(key=lambda span: (span.first.at, span.last.at))
    merged: list[OrderSpan] = []
    for span in pieces:
        if merged and _is_dense(merged[-1].last.at, span.first.at, policies):
            merged[-1] = _join(merged[-1], span)
        else:
            merged.append(span)
    return tuple(merged)


def keep_orders(spans: Sequence[OrderSpan], orders: Iterable[EffectiveOrder]) -> tuple[OrderSpan, ...]:
    """The same without any policy: nothing is joined but what overlaps. `add_orders` joins the rest later."""
    pieces = sorted([*spans, *(OrderSpan(order, order) for order in orders)], key=lambda span: span.first.at)
    kept: list[OrderSpan] = []
    for span in pieces:
        if kept and span.first.at <= kept[-1].last.at:
            kept[-1] = _join(kept[-1], span)
        else:
            kept.append(span)
    return tuple(kept)


def _is_dense(earlier: Instant, later: Instant, policies: Policies) -> bool:
    """Whether the silence between two neighbouring orders is too short for any policy in force in it."""
    if later <= earlier:
        return True
    return all(later < policy.first_deadline(earlier) for policy in policies.between(earlier, later))


def _join(one: OrderSpan, other: OrderSpan) -> OrderSpan:
    """Two spans as one, `one` beginning first."""
    first = one.first
    if other.first.at == first.at and other.first.order_id < first.order_id:
        first = other.first
    last = max(one.last, other.last, key=lambda order: (order.at, order.order_id))
    return OrderSpan(first, last)


def moves_only_the_clock(
    order_at: Instant,
    *,
    last_effective_at: Instant,
    next_check: Instant | None,
    policies: Policies,
) -> bool:
    """Whether the order of an ACTIVE account decides nothing and only moves `last_effective_at`.

    All of these are needed beside "active"; each one left out lost or kept a wrong decision: the order is
    newer than the last; the policy in force at it is the one in force at the last; it comes before the first
    instant at which the silence since the last would decide anything; and nothing of that silence was
    decided yet (`next_check` is no later than that instant).
    """
    if next_check is None or order_at <= last_effective_at:
        return False
    deadline = policies.deadline_after(last_effective_at)
    return deadline is not None and order_at < deadline[1] and next_check <= deadline[0]


def lies_inside(order_at: Instant, *, span_start: Instant, last_effective_at: Instant) -> bool:
    """Whether an order lies strictly inside the last span, where it can change nothing."""
    return span_start < order_at < last_effective_at


def begins_the_first_span(
    order_at: Instant, *, decisions: int, next_check: Instant | None, judged_until: Instant | None, policies: Policies
) -> bool:
    """Whether the first order ever of an ACTIVE account, behind which nothing waits, decides nothing.

    Nothing but the enrolment was ever decided of it (`decisions` counts all that was published), so no older
    instant can turn out otherwise; the order comes before the next silence; and the silence after it decides
    nothing before `next_check`. An enrolment before the first policy is not published, so the one decision may be
    the first notice of the period that began with that policy; an order before it takes it back.
    """
    if next_check is None or decisions > 1 or order_at >= next_check:
        return False
    deadline, earliest = policies.deadline_after(order_at), policies.deadline_after(policies.first_start)
    if deadline is None or earliest is None or next_check > deadline[0]:
        return False
    return judged_until is None or not order_at < earliest[0] <= judged_until
