"""Companies on the real store: members, upheld cases, and what was completed."""

import asyncio

from tests.model.story import case, enrolled, local
from tests.support.database_deployment import DatabaseDeployment
from tests.support.rules_engine import Message
from workers.store.records import Fanout

END = local("2016-06-01")


def upheld(at: str, account: str, case_id: str = "k") -> Message:
    return case(at, account=account, case_id=case_id, category="refusal_of_trade_assurance")


def members(count: int, company: str = "c") -> list[Message]:
    return [enrolled("2016-03-01", f"m{number:02}", company, f"e{number}") for number in range(count)]


async def claimed(deployment: DatabaseDeployment) -> Fanout:
    fanout = await deployment.store.claim_fanout(0.0)
    assert fanout is not None
    return fanout


async def completed(deployment: DatabaseDeployment) -> list[tuple[str, int]]:
    """Cases and the number of accounts that each completed termination terminated."""
    found = await deployment.values("company_termination_completed")
    return [(each["case_id"], each["accounts"]) for each in found]


async def waits_for(deployment: DatabaseDeployment, lock: str) -> None:
    """Return once some connection waits for a lock in a statement that speaks of `lock`."""
    async with asyncio.timeout(10):
        while not await deployment.pool.fetchval(  # noqa: ASYNC110  # the database sets no event
            "select exists (select from pg_stat_activity where datname = current_database() "
            "and wait_event_type = 'Lock' and query ilike '%' || $1 || '%')",
            lock,
        ):
            await asyncio.sleep(0.01)
