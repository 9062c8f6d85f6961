"""One account into decisions: it is judged, compared with what was published, and its row written.

Owns nothing but that order. What raises here is the account's own: see `workers.enforcement.evaluate`.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import orjson

from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, changed_spans
from workers.rules.calendar import Instant
from workers.rules.company import Termination
from workers.rules.decisions import Because
from workers.rules.difference import difference
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow, Changes


def publish_account(
    file: AccountFile,
    terminations: Mapping[str, Sequence[Termination]],
    policies: Policies,
    horizon: Instant,
    because: Because,
    outbox: Outbox,
) -> None:
    """Publish the difference and, where what is said changed, the standing; write the row and the facts."""
    until = horizon if file.row.judged_until is None else max(horizon, file.row.judged_until)
    judgement = judge(file.account_id, file.history, terminations, policies, until)
    row = _keep_facts(file, outbox.changes)
    found = difference(judgement.decisions, file.published)
    sequence = outbox.difference(file.account_id, found, row.sequence, file.because or because)
    said = row.said
    if judgement.standing is not None:
        said = blake2b(orjson.dumps(judgement.standing.compared), digest_size=16).digest()
        if said != row.said:
            outbox.standing(file.account_id, judgement.standing, sequence)
    outbox.changes.accounts.append(_judged_row(row, judgement, until, sequence, said))


def quarantine(file: AccountFile, changes: Changes) -> None:
    """Keep what was read of an account that cannot be evaluated, and say why in its row; nothing else changes."""
    changes.accounts.append(_keep_facts(file, changes)._replace(quarantined=file.failed))


def _judged_row(
    row: AccountRow, judgement: Judgement, until: Instant, sequence: int, said: bytes | None
) -> AccountRow:
    return row._replace(
        standing=judgement.status,
        waits=judgement.waits,
        wake_at=judgement.wake_at,
        judged_until=None if until == MINUS_INFINITY else until,
        sequence=sequence,
        said=said,
        quarantined=None,
    )


def _keep_facts(file: AccountFile, changes: Changes) -> AccountRow:
    """Write the new facts and the spans; returns the row with its orders."""
    changes.facts += file.new_facts
    removed, added = changed_spans(file)
    changes.spans_removed += [(file.account_id, first_at) for first_at in removed]
    changes.spans_added += [(file.account_id, span) for span in added]
    if not file.history.orders:
        return file.row
    span = file.history.orders[-1]
    return file.row._replace(
        dense_since=span.first.at, last_effective_at=span.last.at, last_order_id=span.last.order_id
    )
