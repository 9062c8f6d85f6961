"""Both stores for every test: one database for all of them, emptied before each, and a fresh store in memory."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from tests.store.sides import InMemory, InPostgres, Side
from tests.support.database_deployment import deployed, policies_of
from tests.support.policies import SAMPLE
from workers.devservers.stack import LocalServers
from workers.store.postgres import Store


@pytest.fixture(scope="session")
async def store(servers: LocalServers) -> AsyncIterator[Store]:
    """A deployment's store in PostgreSQL."""
    connection = await asyncpg.connect(servers.postgres.url())
    name = f"both_stores_{uuid4().hex[:10]}"
    await connection.execute(f"create database {name}")
    await connection.close()
    async with deployed(servers.postgres.url(name), policies_of(SAMPLE.read_text())) as made:
        yield made.store


@pytest.fixture
async def in_postgres(store: Store) -> AsyncIterator[InPostgres]:
    """The store in PostgreSQL, as it is after `standing setup`."""
    async with store.pool.acquire() as listening:
        side = InPostgres(store, listening)
        await side.begin()
        yield side
        await side.end()


@pytest.fixture
def in_memory() -> InMemory:
    """The store in memory, fresh."""
    return InMemory()


@pytest.fixture(params=["PostgreSQL", "memory"])
def side(request: pytest.FixtureRequest, in_postgres: InPostgres, in_memory: InMemory) -> Side:
    """One of the two."""
    return in_postgres if request.param == "PostgreSQL" else in_memory
