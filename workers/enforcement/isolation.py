"""One account that makes a whole transaction fail is found and quarantined, so that the others go on.

What fails while an account is evaluated is known by where it raised. What the database refuses is not: the same work
is rehearsed, in transactions that are rolled back, with fewer and fewer of the accounts until one is left.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from workers.enforcement.taking_in import why_not
from workers.store.postgres import TRANSIENT, LostOwnership, Store, UnknownAccounts

log = structlog.get_logger()

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one transaction did, for metrics and for whoever waits."""

    accounts: int = 0
    fast: int = 0
    judged: int = 0
    messages: int = 0
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """The accounts that could not be evaluated, and why."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The messages by kind."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """The dead letters by reason."""


class Misread(Exception):
    """Records that were taken for good are refused by what was read before them: they must move no clock."""

    def __init__(self, refused: frozenset[Place]) -> None:
        super().__init__(f"{len(refused)} records are refused")
        self.refused = refused


class CannotStore(Exception):
    """The database takes neither the decisions about an account nor its facts: nothing of the batch is written."""


class Rehearsed(Exception):
    """The end of a rehearsal: all of it is rolled back."""


NOT_THE_ACCOUNTS = (*TRANSIENT, LostOwnership, Misread, UnknownAccounts)
"""Failures of a transaction that no account in it brings about."""


@dataclass(slots=True)
class Work:
    """A transaction that may be tried several times: `once` does it, given the accounts to be quarantined and why,
    and which accounts alone to rehearse it with (None: it is no rehearsal).
    """

    store: Store
    once: Callable[["Work", Mapping[str, str], Sequence[str] | None], Awaitable[Done]]
    account_ids: Sequence[str] = ()
    """The accounts of the last try, sorted; `once` says which."""

    async def isolated(self) -> Done:
        """Do the work; an account that makes it fail is quarantined, with its facts, and the others go on.

        Raises the failure itself where no account brings it about, and CannotStore.
        """
        quarantined: dict[str, str] = {}
        while True:
            try:
                return await self.once(self, quarantined, None)
            except UnknownAccounts as unknown:
                await self.store.insert_accounts(unknown.account_ids)
            except NOT_THE_ACCOUNTS:
                raise
            except Exception as error:
                found = await self._culprit(quarantined)
                if found is None:
                    raise
                account_id, why = found
                if account_id in quarantined:
                    raise CannotStore(
                        f"nothing about account {account_id} can be stored, so its records are not read past: {why}"
                    ) from error
                log.exception("account quarantined: it cannot be written", account_id=account_id, why=why)
                quarantined[account_id] = why

    async def _culprit(self, quarantined: Mapping[str, str]) -> tuple[str, str] | None:
        """The first account with which the work fails, together with those before it; None where no account does."""
        ids = self.account_ids
        why = await self._failure(ids, quarantined)
        if why is None or not ids or await self._failure((), quarantined) is not None:
            return None
        passes, fails = 0, len(ids)
        while fails - passes > 1:
            half = (passes + fails) // 2
            failed = await self._failure(ids[:half], quarantined)
            if failed is None:
                passes = half
            else:
                fails, why = half, failed
        return ids[fails - 1], why

    async def _failure(self, account_ids: Sequence[str], quarantined: Mapping[str, str]) -> str | None:
        """Why the work fails with these accounts alone; None where it does not."""
        try:
            await self.once(self, quarantined, account_ids)
        except Rehearsed:
            return None
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return why_not(error, "it cannot be written: ")
        raise AssertionError("a rehearsal was kept")
