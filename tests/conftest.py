"""Real servers for the tests: one Kafka and one PostgreSQL for the session, a database and a prefix for each test."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from tests.support.engine import Engine
from tests.support.lent_servers import RUNNING
from workers.devservers.servers import LocalKafka, LocalPostgres
from workers.devservers.stack import LocalServers, local_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[LocalServers]:
    """Kafka and PostgreSQL, started once."""
    if RUNNING in os.environ:
        bootstrap, postgres = os.environ[RUNNING].split(" ")
        kafka = SimpleNamespace(bootstrap=bootstrap)
        lent = SimpleNamespace(url=lambda database="postgres": f"{postgres}/{database}")
        yield LocalServers(cast("LocalKafka", kafka), cast("LocalPostgres", lent))
        return
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


@pytest.fixture
def engine(servers: LocalServers, topic_prefix: str) -> Engine:
    """A deployment that was set up and does not run yet; histories are played."""
    made = Engine(
        {
            **servers.environment,
            "STANDING_DATABASE_URL": servers.postgres.url(topic_prefix.rstrip(".")),
            "STANDING_TOPIC_PREFIX": topic_prefix,
            "STANDING_PARTITIONS": "4",
            "STANDING_CLOCK": "events",
            "STANDING_ALLOWED_LATENESS_SECONDS": "0",
            "STANDING_INGESTS": "1",
            "STANDING_SHARDS": "3",
        }
    )
    made.standing("setup")
    return made
