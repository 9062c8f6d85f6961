"""`standing retry`: evaluates quarantined accounts again, after a repair or with a newer release.

Owns the choice of accounts; the evaluation is that of the workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.commands.explain import NotFound
from workers.wiring import Worker

CHUNK = 100


@dataclass(slots=True)
class Retried:
    """The outcome of a retry."""

    released: list[str] = field(default_factory=list)
    """Accounts that are decided now."""
    remaining: dict[str, str] = field(default_factory=dict)
    """Accounts that are still quarantined, and why."""
    companies: list[str] = field(default_factory=list)
    """Companies whose members are being judged again."""


async def retry(made: Worker, account_ids: Sequence[str]) -> Retried:
    """Evaluate these accounts again, or all that are quarantined and the members of companies that are.

    Raises NotFound where an account is unknown. One that is not quarantined is left as it is.
    """
    done = Retried()
    for account_id in account_ids:
        if await made.store.account(account_id) is None:
            raise NotFound(f"no fact of account {account_id!r} was ever read")
    if account_ids:
        await _evaluate(made, account_ids, done)
        return done
    after = ""
    while found := [each[0] for each in await made.store.quarantined(after, CHUNK)]:
        await _evaluate(made, found, done)
        after = found[-1]
    done.companies = await made.store.retry_fanouts()
    if done.companies:
        await made.store.notify_fanout()
    return done


async def _evaluate(made: Worker, account_ids: Sequence[str], done: Retried) -> None:
    for first in range(0, len(account_ids), CHUNK):
        some = account_ids[first : first + CHUNK]
        tried = await made.enforcement.retry(some)
        done.remaining |= tried.quarantined
        done.released += [each for each in some if each not in tried.quarantined]
