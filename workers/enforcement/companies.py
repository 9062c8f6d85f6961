"""Cases into companies: an account's cases are written to the company they terminate, under its lock.

Owns the change of a company's terminations, the decisions about the company itself and the beginning of a
spread. Members are judged elsewhere: what stands in the company's row is in force for them by definition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.codec.terminations import read_terminations, write_because, write_terminations
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Because
from workers.rules.difference import difference
from workers.rules.policy import Policies
from workers.store.postgres import Transaction
from workers.store.records import Changes, CompanyRow


@dataclass(slots=True)
class Company:
    """A company as this transaction sees and changes it; `because` of what, where it does."""

    row: CompanyRow
    terminations: tuple[Termination, ...]
    changed: bool = False
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


async def load_companies(transaction: Transaction, files: Sequence[AccountFile]) -> dict[str, Company]:
    """Every company of these accounts, locked as their new facts require."""
    keys = sorted({key for file in files for key in file.company_keys})
    rows = await transaction.companies(keys, lock_needed(files))
    found = {key: Company(row, read_terminations(row.terminations)) for key, row in rows.items()}
    return found | {key: Company(CompanyRow(key), ()) for key in keys if key not in found}


def apply_cases(file: AccountFile, companies: Mapping[str, Company], policies: Policies) -> None:
    """Put the terminations of the account's own cases in the place of those it brought about before."""
    own = case_effects(file.account_id, file.history, policies).terminations
    for key in file.company_keys:
        company = companies[key]
        others = [each for each in company.terminations if each.root_account_id != file.account_id]
        now = [*others, *(each for each in own if each.company_key == key)]
        now.sort(key=lambda termination: termination.order)
        if tuple(now) != company.terminations:
            company.former, company.terminations = company.terminations, tuple(now)
            company.changed = True
            company.because += file.because


async def publish_companies(
    transaction: Transaction, companies: Iterable[Company], changes: Changes, outbox: Outbox
) -> None:
    """Publish what changed of the companies themselves, and begin to spread it to their members."""
    changed = [company for company in companies if company.changed]
    if not changed:
        return
    keys = [company.row.company_key for company in changed]
    published = await transaction.published_of_companies(keys)
    for company in sorted(changed, key=lambda each: each.row.company_key):
        key = company.row.company_key
        found = difference(company_decisions(key, company.terminations), published.get(key, ()))
        said = {"key": key, "name": company.name}
        sequence = outbox.difference(key, found, company.row.sequence, company.because, said)
        version = company.row.version + 1
        changes.companies.append(
            company.row._replace(
                version=version, sequence=sequence, terminations=write_terminations(company.terminations)
            )
        )
        changes.spreads.append((key, version, write_because(company.because)))
