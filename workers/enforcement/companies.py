"""Cases into companies: an account's cases are written to the company they terminate, under its lock.

Owns the change of a company's terminations, the decisions about the company itself and the beginning of a
spread. Members are judged elsewhere: what stands in the company's row is in force for them by definition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from workers.codec.terminations import (
    read_because,
    read_since,
    read_terminations,
    write_because,
    write_terminations,
)
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, why_not
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Because
from workers.rules.difference import Published, difference
from workers.rules.policy import Policies
from workers.store.postgres import Transaction
from workers.store.records import CompanyRow

log = structlog.get_logger()


@dataclass(slots=True)
class Company:
    """A company as this transaction sees and changes it; `because` of what, where it does."""

    row: CompanyRow
    terminations: tuple[Termination, ...]
    changed_by: list[AccountFile] = field(default_factory=list)
    because: Because = field(default_factory=Because)
    former: tuple[Termination, ...] = ()

    @property
    def name(self) -> str:
        """The name that its newest termination knew it by."""
        known = self.terminations or self.former
        return known[-1].upheld.company_name if known else ""


def lock_needed(files: Iterable[AccountFile]) -> str:
    """How companies must be locked before judging; deciding it afterwards would deadlock."""
    lock = "none"
    for file in files:
        if file.may_change_companies:
            return "update"
        if file.has_new_registry_fact:
            lock = "share"
    return lock


async def load_companies(
    transaction: Transaction, files: Sequence[AccountFile]
) -> tuple[dict[str, CompanyRow], dict[str, tuple[Termination, ...]]]:
    """Every company of these accounts, locked as their new facts require, and their terminations.

    The accounts of a company that cannot be read cannot be evaluated.
    """
    keys = sorted({key for file in files for key in file.company_keys})
    rows = await transaction.companies(keys, lock_needed(files))
    rows |= {key: CompanyRow(key) for key in keys if key not in rows}
    terminations: dict[str, tuple[Termination, ...]] = {}
    unreadable: dict[str, str] = {}
    for key in keys:
        try:
            terminations[key] = read_terminations(rows[key].terminations)
        except Exception as error:
            log.exception("company cannot be read", company=key)
            unreadable[key] = why_not(error, f"the terminations of company {key} cannot be read: ")
    for file in files:
        for key in sorted(file.company_keys & unreadable.keys()):
            file.failed = file.failed or unreadable[key]
    return rows, terminations


def apply_cases(file: AccountFile, companies: Mapping[str, Company], policies: Policies) -> None:
    """Put the terminations of the account's own cases in the place of those it brought about before."""
    own = case_effects(file.account_id, file.history, policies).terminations
    found: dict[str, tuple[Termination, ...]] = {}
    for key in file.company_keys:
        others = [each for each in companies[key].terminations if each.root_account_id != file.account_id]
        now = [*others, *(each for each in own if each.company_key == key)]
        now.sort(key=lambda termination: termination.order)
        found[key] = tuple(now)
    for key, terminations in found.items():
        company = companies[key]
        if terminations != company.terminations:
            company.former, company.terminations = company.terminations, terminations
            company.changed_by.append(file)
            company.because += file.because


def publish_company(company: Company, published: Sequence[Published], cause: str | None, outbox: Outbox) -> None:
    """Publish what changed of the company itself, and begin to spread it to its members.

    `cause` is what a spread under way names: its members are still to hear of it.
    """
    key, row = company.row.company_key, company.row
    found = difference(company_decisions(key, company.terminations), published)
    said = {"key": key, "name": company.name}
    sequence = outbox.difference(key, found, row.sequence, company.because, said)
    version = row.version + 1
    terminations = write_terminations(company.terminations, read_since(row.terminations), version)
    outbox.changes.companies.append(row._replace(version=version, sequence=sequence, terminations=terminations))
    outbox.changes.spreads.append((key, version, write_because(company.because + _before(key, cause))))


def _before(key: str, cause: str | None) -> Because:
    if cause is None:
        return Because()
    try:
        return read_because(cause)
    except Exception:
        log.exception("what a spread named as its cause cannot be read and is left out", company=key)
        return Because()
