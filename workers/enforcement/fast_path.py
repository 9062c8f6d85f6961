"""The fast path: orders of active accounts that only move the clock, decided from the account's row alone.

Over 99 % of a marketplace's orders end here, so this reads no history and builds no objects. It may send an
account to the judgement needlessly; it never keeps one from it (see `workers.rules.history`).
"""

from collections.abc import Iterable, Mapping, Sequence

from workers.rules.calendar import Instant
from workers.rules.history import begins_the_first_span, lies_inside, moves_only_the_clock
from workers.rules.policy import Policies
from workers.store.records import AccountRow

Moved = tuple[str, Instant, str]


def sort_out(
    rows: Iterable[AccountRow],
    orders: Mapping[str, list[tuple[Instant, str]]],
    facts: Mapping[str, object],
    policies: Policies,
) -> tuple[list[Moved], list[Moved], list[AccountRow]]:
    """The accounts whose last order moves, those whose first order begins a span, those that must be judged."""
    moved: list[Moved] = []
    begun: list[Moved] = []
    judged: list[AccountRow] = []
    for row in rows:
        account_id, standing, waits, wake_at, until, sequence, _, dense_since, last_at, last_id, quarantined = row
        # A quarantined account may be judged again; an order may end the silence that another waits for.
        if account_id in facts or standing != "active" or quarantined is not None or waits:
            judged.append(AccountRow(*row))
            continue
        own = orders[account_id]
        try:
            if dense_since is None or last_at is None or last_id is None:
                if len(own) == 1 and begins_the_first_span(
                    own[0][0], decisions=sequence, wake_at=wake_at, judged_until=until, policies=policies
                ):
                    begun.append((account_id, *own[0]))
                else:
                    judged.append(AccountRow(*row))
                continue
            last = _after(own, dense_since, (last_at, last_id), wake_at, policies)
        except Exception:  # the judgement, which fails for this account alone, says why
            last = None
        if last is None:
            judged.append(AccountRow(*row))
        elif last[0] != last_at:
            moved.append((account_id, *last))
    return moved, begun, judged


def _after(
    orders: Sequence[tuple[Instant, str]],
    dense_since: Instant,
    last: tuple[Instant, str],
    wake_at: Instant | None,
    policies: Policies,
) -> tuple[Instant, str] | None:
    """The account's last order after these; None where one of them needs a judgement."""
    for order in sorted(orders) if len(orders) > 1 else orders:
        at = last[0]
        if moves_only_the_clock(order[0], last_effective_at=at, wake_at=wake_at, policies=policies):
            last = order
        elif order != last and not lies_inside(order[0], dense_since=dense_since, last_effective_at=at):
            return None
    return last
