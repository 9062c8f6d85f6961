"""The fast path: what is decided without an account's history.

Over 99 % of a marketplace's orders end here: those of active accounts that only move the clock. They are one
conditional update, which reads no row into Python (`clock_moves`). Of the accounts that it leaves alone, the row
tells some that need no judgement either (`sort_out`). Both may send an account to the judgement needlessly; they
never keep one from it (see `workers.rules.history`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from workers.ops.logs import Log
from workers.rules.calendar import Instant
from workers.rules.history import begins_the_first_span, lies_inside, quiet_until
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow, Changes, ClockMoves

log = Log()

Orders = Mapping[str, list[tuple[Instant, str]]]


def clock_moves(account_ids: Iterable[str], orders: Orders, apart: Collection[str], policies: Policies) -> ClockMoves:
    """The accounts of which a batch has nothing but orders, none of them `apart`, as the conditional update takes
    them. `account_ids` are sorted, and so are the moves.

    All their orders are under one policy, the newest of the batch, and so must be the last orders of their accounts
    (`ClockMoves.since`).
    """
    found = []
    for account_id in account_ids:
        own = orders.get(account_id)
        if own is not None and account_id not in apart:
            first, last = (own[0], own[0]) if len(own) == 1 else (min(own), max(own))
            found.append((account_id, first[0], *last))
    policy = policies.in_force(max((last_at for _, _, last_at, _ in found), default=MINUS_INFINITY))
    if policy is None:
        return ClockMoves()
    since = policy.effective_from
    rows = [row for row in found if row[1] >= since]
    oldest = min((last_at for _, _, last_at, _ in rows), default=since)
    return ClockMoves(rows, since, policy.first_deadline(oldest))


def sort_out(
    rows: Iterable[AccountRow], orders: Orders, apart: Collection[str], policies: Policies
) -> tuple[list[AccountRow], Changes]:
    """The locked accounts that must be judged, those `apart` among them, and what changes of the others: the first
    order of some begins a span. Orders inside the last span change nothing.
    """
    judged: list[AccountRow] = []
    changes = Changes()
    for row in rows:
        # A quarantined account may be judged again; an order may cure the deadline behind which facts are deferred.
        if row.account_id in apart or row.standing != "active" or row.quarantined is not None or row.deferred:
            judged.append(row)
            continue
        try:
            begins = _begun(row, orders[row.account_id], policies)
        except Exception:  # the judgement, which fails for this account alone, says why
            begins = None
        if begins is not None:
            changes.begun.append(begins)
        elif not _change_nothing(row, orders[row.account_id]):
            judged.append(row)
    return judged, changes


def _begun(
    row: AccountRow, own: Sequence[tuple[Instant, str]], policies: Policies
) -> tuple[str, Instant, str, Instant | None] | None:
    """The first span of an account, which its only order begins and nothing else follows from; None otherwise."""
    if row.span_start is not None or len(own) > 1:
        return None
    [(at, order_id)] = own
    if not begins_the_first_span(
        at, decisions=row.sequence, next_check=row.next_check, judged_until=row.judged_until, policies=policies
    ):
        return None
    quiet = quiet_until(last_effective_at=at, next_check=row.next_check, policies=policies)
    return (row.account_id, at, order_id, quiet)


def _change_nothing(row: AccountRow, own: Sequence[tuple[Instant, str]]) -> bool:
    """Whether each of these orders is inside the account's last span, or is its last one again."""
    start, last = row.span_start, row.last_effective_at
    if start is None or last is None:
        return False
    return all(
        lies_inside(order[0], span_start=start, last_effective_at=last) or order == (last, row.last_order_id)
        for order in own
    )


def later_check(row: AccountRow, watermark: Instant, policies: Policies) -> tuple[Instant, Instant] | None:
    """The next check of a due account whose last order moved its deadline beyond the watermark, and its new
    `quiet_until`, the deadline itself; None where it must be judged.
    """
    last = row.last_effective_at
    if row.standing != "active" or row.deferred or last is None:
        return None
    try:
        deadline, following = policies.first_deadline_after(last), policies.next_start(last)
    except Exception:
        log.exception("account is judged: when it is due cannot be computed", account_id=row.account_id)
        return None
    if deadline is None:
        return None
    next_check = deadline if following is None else min(deadline, following)
    return (next_check, deadline) if next_check > watermark else None
