"""The fast path: what is decided from an account's row alone.

Over 99 % of a marketplace's orders end here: those of active accounts that only move the clock. So this reads no
history and builds no objects. It may send an account to the judgement needlessly; it never keeps one from it (see
`workers.rules.history`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from workers.ops.logs import Log
from workers.rules.calendar import Instant
from workers.rules.history import begins_the_first_span, lies_inside, moves_only_the_clock
from workers.rules.policy import Policies
from workers.store.records import AccountRow, Changes

log = Log()


def sort_out(
    rows: Iterable[AccountRow],
    orders: Mapping[str, list[tuple[Instant, str]]],
    apart: Collection[str],
    policies: Policies,
) -> tuple[list[AccountRow], Changes]:
    """The accounts that must be judged, those `apart` among them, and what changes of the others: the last order of
    some moves, and the first of others begins a span.
    """
    judged: list[AccountRow] = []
    changes = Changes()
    moved, begun = changes.moved, changes.begun
    for row in rows:
        account_id, standing, deferred, next_check, until, sequence, _, span_start, last_at, last_id, quarantined = (
            row
        )
        # A quarantined account may be judged again; an order may cure the deadline behind which facts are deferred.
        if account_id in apart or standing != "active" or quarantined is not None or deferred:
            judged.append(AccountRow(*row))
            continue
        own = orders[account_id]
        try:
            if span_start is None or last_at is None or last_id is None:
                if len(own) == 1 and begins_the_first_span(
                    own[0][0], decisions=sequence, next_check=next_check, judged_until=until, policies=policies
                ):
                    begun.append((account_id, *own[0]))
                else:
                    judged.append(AccountRow(*row))
                continue
            last = _after(own, span_start, (last_at, last_id), next_check, policies)
        except Exception:  # the judgement, which fails for this account alone, says why
            last = None
        if last is None:
            judged.append(AccountRow(*row))
        elif last[0] != last_at:
            moved.append((account_id, *last))
    return judged, changes


def _after(
    orders: Sequence[tuple[Instant, str]],
    span_start: Instant,
    last: tuple[Instant, str],
    next_check: Instant | None,
    policies: Policies,
) -> tuple[Instant, str] | None:
    """The account's last order after these; None where one of them needs a judgement."""
    for order in sorted(orders) if len(orders) > 1 else orders:
        at = last[0]
        if moves_only_the_clock(order[0], last_effective_at=at, next_check=next_check, policies=policies):
            last = order
        elif order != last and not lies_inside(order[0], span_start=span_start, last_effective_at=at):
            return None
    return last


def later_check(row: AccountRow, watermark: Instant, policies: Policies) -> Instant | None:
    """The next check of a due account whose last order moved its deadline beyond the watermark; None where it must be
    judged.
    """
    last = row.last_effective_at
    if row.standing != "active" or row.deferred or last is None:
        return None
    try:
        policy = policies.in_force(last)
        if policy is None:
            return None
        next_check, following = policy.first_deadline(last), policies.next_start(last)
    except Exception:
        log.exception("account is judged: when it is due cannot be computed", account_id=row.account_id)
        return None
    if following is not None:
        next_check = min(next_check, following)
    return next_check if next_check > watermark else None
