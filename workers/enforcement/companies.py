"""Cases into companies: an account's cases are written to the company they terminate, under its lock.

Owns the change of a company's terminations, the decisions about the company itself and the beginning of a
fan-out. Members are judged elsewhere: what stands in the company's row is in force for them by definition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.codec.terminations import (
    read_because,
    read_since,
    read_terminations,
    write_because,
    write_terminations,
)
from workers.enforcement.account_context import AccountContext, why_not
from workers.enforcement.outbox import Outbox
from workers.ops.logs import Log
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Because
from workers.rules.difference import Published, difference
from workers.rules.policy import Policies
from workers.store.records import CompanyRow

log = Log()


@dataclass(frozen=True, slots=True)
class CompanyContext:
    """A company as it was loaded."""

    row: CompanyRow
    terminations: tuple[Termination, ...]
    published: Sequence[Published] = ()
    fanout_cause: str | None = None
    """What a fan-out under way names as its cause: the members behind its cursor are still to hear of it."""


@dataclass(slots=True)
class CompanyChange:
    """A company's terminations with the cases of all accounts applied; `because` of what, where they changed."""

    company: CompanyContext
    terminations: tuple[Termination, ...]
    changed_by: list[AccountContext] = field(default_factory=list)
    because: Because = field(default_factory=Because)

    @property
    def name(self) -> str:
        """The name that its newest termination knew it by."""
        known = self.terminations or self.company.terminations
        return known[-1].upheld.company_name if known else ""


def lock_needed(contexts: Iterable[AccountContext]) -> str:
    """How companies must be locked before judging; deciding it afterwards would deadlock."""
    lock = "none"
    for context in contexts:
        if context.may_change_companies:
            return "update"
        if context.has_new_registry_fact:
            lock = "share"
    return lock


def read_companies(
    contexts: Iterable[AccountContext],
    rows: Mapping[str, CompanyRow],
    published: Mapping[str, Sequence[Published]],
    causes: Mapping[str, str],
) -> dict[str, CompanyContext]:
    """The companies of these accounts. The accounts of a company that cannot be read cannot be evaluated."""
    companies: dict[str, CompanyContext] = {}
    unreadable: dict[str, str] = {}
    for context in contexts:
        for key in context.company_keys:
            if key not in companies and key not in unreadable:
                row = rows.get(key, CompanyRow(key))
                try:
                    terminations = read_terminations(row.terminations)
                    companies[key] = CompanyContext(row, terminations, published.get(key, ()), causes.get(key))
                except Exception as error:
                    log.exception("company cannot be read", company=key)
                    unreadable[key] = why_not(error, f"the terminations of company {key} cannot be read: ")
            if key in unreadable:
                context.failed = context.failed or unreadable[key]
    return companies


def apply_cases(context: AccountContext, changes: Mapping[str, CompanyChange], policies: Policies) -> None:
    """Put the terminations of the account's own cases in the place of those it brought about before."""
    own = case_effects(context.account_id, context.history, policies).terminations
    found: dict[str, tuple[Termination, ...]] = {}
    for key in context.company_keys:
        others = [each for each in changes[key].terminations if each.root_account_id != context.account_id]
        now = [*others, *(each for each in own if each.company_key == key)]
        now.sort(key=lambda termination: termination.order)
        found[key] = tuple(now)
    for key, terminations in found.items():
        change = changes[key]
        if terminations != change.terminations:
            change.terminations = terminations
            change.changed_by.append(context)
            change.because += context.because


def publish_company(change: CompanyChange, outbox: Outbox) -> None:
    """Publish what changed of the company itself, and begin its fan-out to the members."""
    row, cause = change.company.row, change.company.fanout_cause
    key = row.company_key
    found = difference(company_decisions(key, change.terminations), change.company.published)
    said = {"key": key, "name": change.name}
    sequence = outbox.difference(key, found, row.sequence, change.because, said)
    version = row.version + 1
    terminations = write_terminations(change.terminations, read_since(row.terminations), version)
    outbox.changes.companies.append(row._replace(version=version, sequence=sequence, terminations=terminations))
    outbox.changes.fanouts.append((key, version, write_because(change.because + _before(key, cause))))


def _before(key: str, cause: str | None) -> Because:
    if cause is None:
        return Because()
    try:
        return read_because(cause)
    except Exception:
        log.exception("what a fan-out named as its cause cannot be read and is left out", company=key)
        return Because()
