"""The accounts of a unit of work into changes and messages, each account apart from the others.

Pure: what was loaded goes in, what is to be written comes out. The invariant: of an account that fails at any step
nothing comes out but its new facts and why it failed. A company that it changed is as if its cases had not been read,
and all others are evaluated as they would be without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from workers.enforcement.account_context import AccountContext, changed_spans, why_not
from workers.enforcement.companies import CompanyChange, CompanyContext, apply_cases, publish_company
from workers.enforcement.outbox import Outbox
from workers.ops.logs import Log
from workers.rules.calendar import Instant
from workers.rules.company import Termination
from workers.rules.decisions import Because
from workers.rules.difference import difference
from workers.rules.history import quiet_until
from workers.rules.judge import judge
from workers.rules.policy import Policies
from workers.rules.standing import Standing
from workers.store.records import MINUS_INFINITY, AccountRow, Changes

log = Log()


@dataclass(frozen=True, slots=True)
class Basis:
    """What accounts are evaluated by, beside their own contexts."""

    policies: Policies
    watermark: Instant
    companies: Mapping[str, CompanyContext] = field(default_factory=dict)
    """Those that the accounts belong or belonged to."""
    because: Because = field(default_factory=Because)
    """What it follows from, for accounts without a new fact."""


def evaluate(contexts: Sequence[AccountContext], basis: Basis, outbox: Outbox) -> None:
    """Put all that is to be written and published into `outbox`; an account that fails says so in its context.

    Where one fails that had changed a company, all are evaluated again without it: at most once for each such one.
    """
    checkpoint = outbox.checkpoint()
    while not _evaluate(contexts, basis, outbox):
        outbox.back_to(checkpoint)


def _evaluate(contexts: Sequence[AccountContext], basis: Basis, outbox: Outbox) -> bool:
    """Evaluate all companies and accounts; False where an account failed that had changed a company."""
    applied = _apply_all_cases(contexts, basis)
    changed = [change for _, change in sorted(applied.items()) if change.changed_by]
    changing = [context for change in changed for context in change.changed_by]
    for change in changed:
        try:
            publish_company(change, outbox)
        except Exception as error:
            for context in change.changed_by:
                _fail(context, f"company {change.company.row.company_key} cannot be changed: ", error)
    if any(context.failed is not None for context in changing):
        return False
    for context in contexts:
        checkpoint = outbox.checkpoint()
        if context.failed is None:
            try:
                terminations = {key: applied[key].terminations for key in context.company_keys}
                _publish_account(context, terminations, basis, outbox)
            except Exception as error:
                _fail(context, "it cannot be evaluated: ", error)
                outbox.back_to(checkpoint)
        if context.failed is not None:
            row = _keep_facts(context, outbox.changes)
            outbox.changes.accounts.append(row._replace(quiet_until=None, quarantined=context.failed))
    return all(context.failed is None for context in changing)


def _apply_all_cases(contexts: Sequence[AccountContext], basis: Basis) -> dict[str, CompanyChange]:
    """The companies with the cases of all accounts that did not fail."""
    applied = {key: CompanyChange(company, company.terminations) for key, company in basis.companies.items()}
    for context in contexts:
        if context.failed is None and context.may_change_companies:
            try:
                apply_cases(context, applied, basis.policies)
            except Exception as error:
                _fail(context, "its cases cannot be applied: ", error)
    return applied


def _publish_account(
    context: AccountContext, terminations: Mapping[str, Sequence[Termination]], basis: Basis, outbox: Outbox
) -> None:
    """Judge an account; publish the difference and, where it changed, the standing; write its row and its facts."""
    judged_until = context.row.judged_until
    until = basis.watermark if judged_until is None else max(basis.watermark, judged_until)
    judgement = judge(context.account_id, context.history, terminations, basis.policies, until)
    row = _keep_facts(context, outbox.changes)
    found = difference(judgement.decisions, context.published)
    sequence = outbox.difference(context.account_id, found, row.sequence, context.because or basis.because)
    said = row.standing_digest
    if judgement.standing is not None:
        said = standing_digest(judgement.standing)
        if said != row.standing_digest:
            outbox.standing(context.account_id, judgement.standing, sequence)
    last, next_check, quiet = row.last_effective_at, judgement.next_check, None
    if judgement.status == "active" and not judgement.deferred and last is not None:
        quiet = quiet_until(last_effective_at=last, next_check=next_check, policies=basis.policies)
    outbox.changes.accounts.append(
        row._replace(
            standing=judgement.status,
            deferred=judgement.deferred,
            next_check=next_check,
            judged_until=None if until == MINUS_INFINITY else until,
            sequence=sequence,
            standing_digest=said,
            quiet_until=quiet,
            quarantined=None,
        )
    )


def standing_digest(standing: Standing) -> bytes:
    """What an account's row keeps of the standing that was published last."""
    return blake2b(orjson.dumps(standing.compared), digest_size=16).digest()


def _keep_facts(context: AccountContext, changes: Changes) -> AccountRow:
    """Write the new facts, the spans and the companies that it joins; returns the row with its orders."""
    account_id = context.account_id
    changes.facts += context.new_facts
    removed, added = changed_spans(context)
    changes.spans_removed += [(account_id, first_at) for first_at in removed]
    changes.spans_added += [(account_id, span) for span in added]
    if context.has_new_registry_fact:
        changes.memberships += [(key, account_id) for key in context.company_keys]
    if not context.history.orders:
        return context.row
    span = context.history.orders[-1]
    return context.row._replace(
        span_start=span.first.at, last_effective_at=span.last.at, last_order_id=span.last.order_id
    )


def _fail(context: AccountContext, step: str, error: Exception) -> None:
    log.error("account quarantined", account_id=context.account_id, why=step, exc_info=error)
    context.failed = why_not(error, step)
