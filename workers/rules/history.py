"""The compression of effective orders into spans, and the conditions under which an order needs no judgement.

Only orders at the two ends of a long gap can ever matter, for a late order can split a gap but never make one. The
invariant: the compressed history and the full one give the same judgement.
"""

from collections.abc import Iterable, Sequence

from workers.rules.calendar import Instant
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.rules.policy import Policies


def add_orders(
    spans: Sequence[OrderSpan], orders: Iterable[EffectiveOrder], policies: Policies
) -> tuple[OrderSpan, ...]:
    """`spans` and `orders` as spans. The orders may come in any order, and more than once."""
    pieces = [*spans, *(OrderSpan(order, order) for order in orders)]
    pieces.sort(key=lambda span: (span.first.at, span.last.at))
    merged: list[OrderSpan] = []
    for span in pieces:
        if merged and _in_one_span(merged[-1].last.at, span.first.at, policies):
            merged[-1] = _join(merged[-1], span)
        else:
            merged.append(span)
    return tuple(merged)


def keep_orders(spans: Sequence[OrderSpan], orders: Iterable[EffectiveOrder]) -> tuple[OrderSpan, ...]:
    """The same without policies: only what overlaps is joined. `add_orders` joins the rest later."""
    pieces = sorted([*spans, *(OrderSpan(order, order) for order in orders)], key=lambda span: span.first.at)
    kept: list[OrderSpan] = []
    for span in pieces:
        if kept and span.first.at <= kept[-1].last.at:
            kept[-1] = _join(kept[-1], span)
        else:
            kept.append(span)
    return tuple(kept)


def _in_one_span(earlier: Instant, later: Instant, policies: Policies) -> bool:
    """Whether no notice or deadline of any policy in force falls into the gap between two neighbouring orders."""
    if later <= earlier:
        return True
    return all(later < policy.first_deadline(earlier) for policy in policies.between(earlier, later))


def _join(one: OrderSpan, other: OrderSpan) -> OrderSpan:
    """Two spans as one; `one` begins no later than `other`."""
    first = one.first
    if other.first.at == first.at and other.first.order_id < first.order_id:
        first = other.first
    last = max(one.last, other.last, key=lambda order: (order.at, order.order_id))
    return OrderSpan(first, last)


def quiet_until(*, last_effective_at: Instant, next_check: Instant | None, policies: Policies) -> Instant | None:
    """The instant before which a newer order of an ACTIVE account, under the policy of its last one, decides nothing:
    it only moves `last_effective_at`. None where every order needs a judgement.

    Both conditions are needed: without either, simulations lost decisions or kept wrong ones. The order comes before
    the first notice or deadline after the last one. None of these notices was decided yet: `next_check` is no later
    than the first of them. What holds for the last order holds for each newer one that only moved the clock.
    """
    deadline = policies.first_deadline_after(last_effective_at)
    return None if next_check is None or deadline is None or next_check > deadline else deadline


def lies_inside(order_at: Instant, *, span_start: Instant, last_effective_at: Instant) -> bool:
    """Whether an order is strictly inside the last span, where it changes nothing."""
    return span_start < order_at < last_effective_at


def begins_the_first_span(
    order_at: Instant, *, decisions: int, next_check: Instant | None, judged_until: Instant | None, policies: Policies
) -> bool:
    """Whether the first order of an ACTIVE account without deferred facts decides nothing.

    Only the enrolment was decided (`decisions` counts all that was published), so no earlier decision can turn out
    wrong. The order comes before `next_check`, which is no later than the first notice or deadline after the order.
    An enrolment before the first policy is not published: the one decision may then be the first notice of the
    period that the policy started, and an order before that notice withdraws it.
    """
    if next_check is None or decisions > 1 or order_at >= next_check:
        return False
    deadline = policies.first_deadline_after(order_at)
    earliest = policies.first_deadline_after(policies.first_start)
    if deadline is None or earliest is None or next_check > deadline:
        return False
    return judged_until is None or not order_at < earliest <= judged_until
