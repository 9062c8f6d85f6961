"""A wait for a connection has a limit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from tests.support.database_deployment import expected, policies_of, wanted
from tests.support.policies import SAMPLE
from workers import timeouts
from workers.store import deployment, postgres
from workers.store.connections import DatabaseTimeout, open_pool
from workers.store.listener import Listener
from workers.store.postgres import Store


@pytest.fixture
async def taken(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Pool]:
    """A pool whose only connection is kept."""
    monkeypatch.setattr(timeouts, "ACQUIRE_SECONDS", 0.05)
    pool = await open_pool(database_url, name="test", connections=1)
    async with pool.acquire(timeout=5):
        yield pool
    await pool.close()


async def begin(pool: asyncpg.Pool) -> None:
    async with Store(pool, "").transaction():
        pass


async def listen(pool: asyncpg.Pool) -> None:
    await Listener(pool, "channel").connect()


async def load(pool: asyncpg.Pool) -> None:
    await deployment.load_deployment(pool, expected(wanted(policies_of(SAMPLE.read_text()))))


@pytest.mark.parametrize("work", [begin, listen, load, deployment.adopt_server])
async def test_a_request_that_gets_no_connection_gives_up_in_time(
    taken: asyncpg.Pool, work: Callable[[asyncpg.Pool], Coroutine[Any, Any, None]]
) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseTimeout, match="no connection to PostgreSQL became free"):
            await work(taken)


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")],
)
async def test_after_a_session_broke_or_timed_out_no_connection_of_its_time_is_used_again(
    database_url: str, error: Exception
) -> None:
    pool = await open_pool(database_url, name="test", connections=2)
    before = await sessions(pool)
    with pytest.raises(postgres.TRANSIENT):
        async with Store(pool, "").transaction():
            raise error
    assert not before & await sessions(pool)
    await pool.close()


async def sessions(pool: asyncpg.Pool) -> set[int]:
    """The server's processes behind both connections of a pool."""
    async with pool.acquire() as one, pool.acquire() as two:
        return {await each.fetchval("select pg_backend_pid()") for each in (one, two)}


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError,
        asyncpg.CheckViolationError,
        asyncpg.NumericValueOutOfRangeError,
        asyncpg.UntranslatableCharacterError,
        asyncpg.ProgramLimitExceededError,
        asyncpg.UndefinedColumnError,
        asyncpg.InterfaceError,
    ],
)
def test_an_error_about_the_rows_themselves_is_not_transient(error: type[Exception]) -> None:
    assert not issubclass(error, postgres.TRANSIENT)


async def test_a_connection_closed_during_a_transaction_is_a_transient_error(database_url: str) -> None:
    pool = await open_pool(database_url, name="test", connections=1)
    store = Store(pool, "")

    async def use_a_closed_one() -> None:
        async with store.transaction() as transaction:
            transaction._connection.terminate()
            await transaction.progress()

    with pytest.raises(postgres.ConnectionLost):
        await use_a_closed_one()
    assert [tuple(row) for row in await store.fetch("select 1")] == [(1,)]
    with pytest.raises(asyncpg.InterfaceError):  # a misuse of a connection that is open
        await store.fetch("select $1::int", "no number", "and too many")
    await pool.close()
