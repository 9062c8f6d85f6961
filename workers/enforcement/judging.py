"""Accounts into decisions: each file is judged, compared with what was published, and its row written.

Owns nothing but that order. Where a judgement raises, the account is held and its facts are kept; the others
go on.
"""

from collections.abc import Mapping
from hashlib import blake2b

import orjson
import structlog

from workers.enforcement.companies import Company
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, changed_spans
from workers.rules.calendar import Instant
from workers.rules.decisions import Because
from workers.rules.difference import difference
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow, Changes

log = structlog.get_logger()


def judge_file(
    file: AccountFile,
    companies: Mapping[str, Company],
    policies: Policies,
    horizon: Instant,
) -> tuple[Judgement, Instant] | None:
    """The judgement and the horizon it was made with; None where it raised, and the account is held."""
    until = horizon if file.row.judged_until is None else max(horizon, file.row.judged_until)
    terminations = {key: companies[key].terminations for key in file.company_keys}
    try:
        return judge(file.account_id, file.history, terminations, policies, until), until
    except Exception:
        log.exception("account held: its judgement raised", account_id=file.account_id)
        return None


def publish_account(
    file: AccountFile,
    judged: tuple[Judgement, Instant] | None,
    because: Because,
    changes: Changes,
    outbox: Outbox,
) -> None:
    """Publish the difference and, where what is said changed, the standing; write the row and the facts."""
    _keep_facts(file, changes)
    spans = file.history.orders
    row = file.row._replace(
        dense_since=spans[-1].first.at if spans else None,
        last_effective_at=spans[-1].last.at if spans else None,
        last_order_id=spans[-1].last.order_id if spans else None,
    )
    if judged is None:
        changes.accounts.append(row._replace(held=True))
        return
    judgement, until = judged
    found = difference(judgement.decisions, file.published)
    sequence = outbox.difference(file.account_id, found, row.sequence, file.because or because)
    said = row.said
    if judgement.standing is not None:
        said = blake2b(orjson.dumps(judgement.standing.compared), digest_size=16).digest()
        if said != row.said:
            outbox.standing(file.account_id, judgement.standing, sequence)
    changes.accounts.append(_judged_row(row, judgement, until, sequence, said))


def _judged_row(
    row: AccountRow, judgement: Judgement, until: Instant, sequence: int, said: bytes | None
) -> AccountRow:
    return row._replace(
        standing=judgement.status,
        held=False,
        waits=judgement.waits,
        wake_at=judgement.wake_at,
        judged_until=None if until == MINUS_INFINITY else until,
        sequence=sequence,
        said=said,
    )


def _keep_facts(file: AccountFile, changes: Changes) -> None:
    changes.facts += file.new_facts
    removed, added = changed_spans(file)
    changes.spans_removed += [(file.account_id, first_at) for first_at in removed]
    changes.spans_added += [(file.account_id, span) for span in added]
