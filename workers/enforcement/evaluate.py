"""The accounts of a transaction into changes and messages, each account apart from the others.

Pure: what was loaded goes in, what is to be written comes out. The invariant: of an account that fails at any step
nothing comes out but its new facts and why it failed. A company that it changed is as if its cases had not been read,
and all others are evaluated as they would be without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from workers.codec.batch import ReceivedFact, Rejected
from workers.enforcement.companies import Company, apply_cases, publish_company
from workers.enforcement.judging import publish_account, quarantine
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, keep, take_in, why_not
from workers.rules.calendar import Instant
from workers.rules.company import Termination
from workers.rules.decisions import Because
from workers.rules.difference import Published
from workers.rules.policy import Policies
from workers.store.records import AccountRow, CompanyRow, StoredHistory

log = structlog.get_logger()


def take_in_apart(
    row: AccountRow,
    stored: StoredHistory,
    received: Sequence[ReceivedFact],
    orders: Sequence[tuple[Instant, str]],
    policies: Policies,
    why: str | None,
) -> tuple[AccountFile, list[Rejected]]:
    """An account's file, and the records that must be refused; `why` it is not to be evaluated, where it is not."""
    if why is None:
        try:
            return take_in(row, stored, received, orders, policies)
        except Exception as error:
            log.exception("account quarantined: its facts cannot be read", account_id=row.account_id)
            why = why_not(error, "its facts cannot be read: ")
    return keep(row, stored, received, orders, policies, why)


@dataclass(slots=True)
class Evaluation:
    """The accounts of one transaction with the companies they belong or belonged to, all locked as they need be."""

    files: Sequence[AccountFile]
    rows: Mapping[str, CompanyRow]
    terminations: Mapping[str, tuple[Termination, ...]]
    policies: Policies
    horizon: Instant
    because: Because

    def changed_companies(self) -> list[str]:
        """The companies that the accounts' cases change."""
        return sorted(key for key, company in self._applied().items() if company.changed_by)

    def evaluate(
        self, published: Mapping[str, Sequence[Published]], causes: Mapping[str, str], outbox: Outbox
    ) -> None:
        """Put all that is to be written and published into `outbox`.

        Whoever fails after it changed a company is left out of it, and all are evaluated again without it: at most
        once for each such account.
        """
        while (parts := self._round(published, causes, outbox.part)) is None:
            pass
        for part in parts:
            outbox.add(part)

    def _round(
        self,
        published: Mapping[str, Sequence[Published]],
        causes: Mapping[str, str],
        new_part: Callable[[], Outbox],
    ) -> list[Outbox] | None:
        """The parts of all companies and accounts; None where one failed that had changed a company."""
        companies = self._applied()
        changing = {file.account_id for company in companies.values() for file in company.changed_by}
        terminations = {key: company.terminations for key, company in companies.items()}
        parts: list[Outbox] = []
        again = False
        for key in sorted(key for key, company in companies.items() if company.changed_by):
            try:
                parts.append(new_part())
                publish_company(companies[key], published.get(key, ()), causes.get(key), parts[-1])
            except Exception as error:
                for file in companies[key].changed_by:
                    _fail(file, f"company {key} cannot be changed: ", error)
                again = True
        if again:
            return None
        for file in self.files:
            part = new_part()
            if file.failed is None:
                try:
                    own = {key: terminations[key] for key in file.company_keys}
                    publish_account(file, own, self.policies, self.horizon, self.because, part)
                except Exception as error:
                    _fail(file, "it cannot be evaluated: ", error)
                    again = again or file.account_id in changing
                    part = new_part()
            if file.failed is not None:
                quarantine(file, part.changes)
            parts.append(part)
        return None if again else parts

    def _applied(self) -> dict[str, Company]:
        """The companies with the cases of all accounts that did not fail."""
        companies = {key: Company(self.rows[key], found) for key, found in self.terminations.items()}
        for file in self.files:
            if file.failed is None and file.may_change_companies:
                try:
                    apply_cases(file, companies, self.policies)
                except Exception as error:
                    _fail(file, "its cases cannot be applied: ", error)
        return companies


def _fail(file: AccountFile, step: str, error: Exception) -> None:
    log.error("account quarantined", account_id=file.account_id, why=step, exc_info=error)
    file.failed = why_not(error, step)
