"""`standing company`: the accounts and the terminations of a company. Reads only."""

import json
from dataclasses import dataclass

from workers.codec.terminations import read_terminations
from workers.commands.explain import NotFound
from workers.enforcement.account_context import why_not
from workers.rules.calendar import written
from workers.rules.company import Termination
from workers.store.keys import stored_key
from workers.store.records import AccountRow
from workers.store.statements import statement
from workers.wiring import Database


@dataclass(frozen=True, slots=True)
class CompanyView:
    """What `standing company` shows."""

    company_key: str
    accounts: list[AccountRow]
    terminations: tuple[Termination, ...]
    fanning_out: bool
    unreadable: str | None
    """Why its terminations cannot be shown."""
    quarantined: str | None
    """Why its members cannot be judged again."""

    def as_json(self) -> str:
        return json.dumps(
            {
                "company": self.company_key,
                "accounts": [
                    {"account_id": each.account_id, "standing": each.standing, "quarantined": each.quarantined}
                    for each in self.accounts
                ],
                "terminations": [
                    {
                        "effective_at": written(each.upheld.at),
                        "root_account_id": each.root_account_id,
                        "case_id": each.case_id,
                        "source": each.upheld.source,
                        "reapply_from": written(each.reapply_from),
                        "reversed_at": None if each.reversal is None else written(each.reversal.at),
                    }
                    for each in self.terminations
                ],
                "fanning_out": self.fanning_out,
                "unreadable": self.unreadable,
                "quarantined": self.quarantined,
            },
            ensure_ascii=False,
            indent=2,
        )


async def view_company(database: Database, key: str) -> CompanyView:
    """A company's accounts (former members too), terminations and re-application dates."""
    stored = stored_key(key)
    company = await database.pool.fetchrow(statement("load_companies"), [stored])
    members = await database.pool.fetch(statement("members"), stored)
    if company is None and not members:
        raise NotFound(f"no account ever belonged to a company '{key}'; keys begin with id: or name:")
    found = [await database.store.account(row[0]) for row in members]
    accounts = sorted(row for row in found if row is not None)
    fanout = await database.pool.fetchrow(statement("fanout_quarantine"), stored)
    terminations: tuple[Termination, ...] = ()
    unreadable = None
    try:
        terminations = () if company is None else read_terminations(company["terminations"])
    except Exception as error:  # shown instead of the terminations
        unreadable = why_not(error)
    quarantined = None if fanout is None else fanout["quarantined"]
    return CompanyView(key, accounts, terminations, fanout is not None, unreadable, quarantined)
