"""Real servers for the tests: one Kafka and one PostgreSQL for the session, a database and a prefix for each test."""

from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from workers.local.stack import LocalServers, local_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[LocalServers]:
    """Kafka and PostgreSQL, started once."""
    with local_servers() as running:
        yield running


@pytest.fixture
def topic_prefix() -> str:
    """A prefix of topics that no other test uses."""
    return f"t{uuid4().hex[:10]}."


@pytest.fixture
async def database_url(servers: LocalServers) -> str:
    """An empty database for this test."""
    name = f"t{uuid4().hex[:10]}"
    connection = await asyncpg.connect(servers.postgres.url())
    await connection.execute(f"create database {name}")
    await connection.close()
    return servers.postgres.url(name)
