"""A database that is slow, locked, out of connections or out of disk: workers wait, end and come back by themselves.

Other clients of the same server or its disk cause these faults. The engine recovers by itself: nothing is configured
or restarted for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from tests.faults.deployment import FaultyDeployment
from tests.faults.load import under_load
from tests.support.faulty_servers import FaultyServers
from tests.support.long import long

LOCK_SECONDS = 26
"""Longer than a worker waits for a lock, 20 s."""


@asynccontextmanager
async def another_client(deployment: FaultyDeployment) -> AsyncIterator[asyncpg.Connection]:
    """A connection of another program, directly to the server."""
    connection = await asyncpg.connect(deployment.database_url)
    try:
        yield connection
    finally:
        await connection.close()


@long
async def test_another_transaction_idles_with_every_account_locked_for_longer_than_any_limit(
    deployment: FaultyDeployment,
) -> None:
    async def fault() -> None:
        async with another_client(deployment) as other, other.transaction():
            for table in ("accounts", "account_clocks"):
                assert await other.fetch(f"select from {table} for update")
            await asyncio.sleep(LOCK_SECONDS)

    await under_load(deployment, fault)


@long
async def test_another_transaction_idles_with_the_positions_locked(deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        async with another_client(deployment) as other, other.transaction():
            await other.execute("select from positions for update")
            await asyncio.sleep(LOCK_SECONDS)

    await under_load(deployment, fault)


@long
async def test_a_query_of_ten_seconds_keeps_every_table_to_itself(deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        async with another_client(deployment) as other, other.transaction():
            await other.execute("lock table positions, accounts, facts, shards, decision_log, company_fanouts")
            await other.execute("select pg_sleep(10)")

    await under_load(deployment, fault)


@long
async def test_the_server_has_no_connection_left_when_all_workers_lost_theirs(
    faulty: FaultyServers, deployment: FaultyDeployment
) -> None:
    async def fault() -> None:
        async with AsyncExitStack() as stack:
            faulty.postgres_proxy.cut_all()
            refused = 0
            while refused < 3:
                try:
                    await stack.enter_async_context(another_client(deployment))
                except asyncpg.TooManyConnectionsError:
                    refused += 1
                    faulty.postgres_proxy.cut_all()  # what a worker was quicker to take
            await asyncio.sleep(10)

    await under_load(deployment, fault)
