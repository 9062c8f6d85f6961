"""The listener is notified of other processes' commits, even after its connection was lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from workers.store.connections import open_pool
from workers.store.listener import Listener

LONG = 30.0


@asynccontextmanager
async def pool_of(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(database_url, name="listener", connections=2)
    yield pool
    await asyncio.wait_for(pool.close(), 10)


async def cut(other: asyncpg.Connection) -> None:
    """End the connection that listens, and wait until it is gone."""
    ended = "select bool_and(pg_terminate_backend(pid, 10000)) from pg_stat_activity where query ilike 'listen%'"
    assert await other.fetchval(ended)


async def test_a_listener_whose_connection_was_lost_wakes_its_waiters_and_listens_again(database_url: str) -> None:
    stop = asyncio.Event()
    other = await asyncpg.connect(database_url)
    async with pool_of(database_url) as pool:
        listener = Listener(pool, "channel")
        bell = listener.bell()
        await listener.connect()
        for _ in range(3):  # more often than the pool has connections: none may be kept
            waiting = asyncio.create_task(bell.wait(LONG, stop))
            await cut(other)
            await asyncio.wait_for(waiting, 5)
            await listener.connect()
            waiting = asyncio.create_task(bell.wait(LONG, stop))
            await other.execute("notify channel")
            await asyncio.wait_for(waiting, 5)
        await cut(other)
        await listener.close()
    await other.close()
