"""One account that makes a whole transaction fail is found and quarantined, so that the others go on.

What fails while an account is evaluated is known by where it raised. What the database refuses is not: the same work
is rehearsed, in transactions that are rolled back, with fewer and fewer of the accounts until one is left.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from workers.enforcement.account_context import why_not
from workers.enforcement.unit_of_work import Transactions
from workers.ops.logs import Log
from workers.store.postgres import TRANSIENT, AccountsLocked, LostOwnership, UnknownAccounts

log = Log()

Result = TypeVar("Result")


@dataclass(slots=True)
class Attempt:
    """One try of a unit of work."""

    quarantined: Mapping[str, str] = field(default_factory=dict)
    """Accounts that are not to be evaluated, and why."""
    only: Sequence[str] | None = None
    """The accounts that are rehearsed; None where it is no rehearsal."""
    in_order: bool = False
    """All accounts are locked first, in the order of their ids."""
    account_ids: Sequence[str] = ()
    """The accounts that it was about, sorted."""

    def chosen(self, account_ids: Sequence[str]) -> Sequence[str]:
        """The accounts to lock: these, which the work is about, or those that are rehearsed."""
        self.account_ids = account_ids
        return account_ids if self.only is None else self.only


class CannotStore(Exception):
    """The database takes neither the decisions about an account nor its facts: nothing of the batch is written."""


NOT_THE_ACCOUNTS = (*TRANSIENT, LostOwnership, UnknownAccounts)
"""Failures of a transaction that no account in it brings about."""


async def isolated(database: Transactions, work: Callable[[Attempt], Awaitable[Result]]) -> Result:
    """Do the work; an account that makes it fail is quarantined, with its facts, and the others go on.

    Raises the failure itself where no account brings it about, and CannotStore.
    """
    quarantined: dict[str, str] = {}
    in_order = False
    while True:
        attempt = Attempt(quarantined, in_order=in_order)
        try:
            return await work(attempt)
        except AccountsLocked:
            in_order = True
        except UnknownAccounts as unknown:
            await database.insert_accounts(unknown.account_ids)
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            found = await _culprit(work, attempt)
            if found is None:
                raise
            account_id, why = found
            if account_id in quarantined:
                raise CannotStore(
                    f"nothing about account {account_id} can be stored, so its records are not read past: {why}"
                ) from error
            log.exception("account quarantined: it cannot be written", account_id=account_id, why=why)
            quarantined[account_id] = why


async def _culprit(work: Callable[[Attempt], Awaitable[object]], failed: Attempt) -> tuple[str, str] | None:
    """The first account with which the work fails, together with those before it; None where no account does."""

    async def failure(account_ids: Sequence[str]) -> str | None:
        """Why the work fails with these accounts alone; None where it does not."""
        try:
            await work(Attempt(failed.quarantined, account_ids, in_order=True))
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return why_not(error, "it cannot be written: ")
        return None

    ids = failed.account_ids
    why = await failure(ids)
    if why is None or not ids or await failure(()) is not None:
        return None
    passes, fails = 0, len(ids)
    while fails - passes > 1:
        half = (passes + fails) // 2
        fewer = await failure(ids[:half])
        if fewer is None:
            passes = half
        else:
            fails, why = half, fewer
    return ids[fails - 1], why
