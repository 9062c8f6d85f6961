"""Real servers for the tests: one Kafka and one PostgreSQL for the session, a database and a prefix for each test.

A test that asks for a fixture of `STARTS_SERVERS`, be it by way of others, is marked `server`. No other test can
start one.
"""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from tests.support.lent_servers import RUNNING
from tests.support.quick_disk import quick_disk
from workers.devservers.servers import SOON, LocalKafka, LocalPostgres
from workers.devservers.stack import LocalServers, local_servers

STARTS_SERVERS = {"servers", "faulty", "own_servers"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of servers. The longest files come first: the quick ones fill what time is left at the end."""
    for each in items:
        if STARTS_SERVERS & set(getattr(each, "fixturenames", ())):
            each.add_marker("server")
    items.sort(key=lambda each: [each.get_closest_marker(mark) is None for mark in ("model", "server")])


@pytest.fixture(autouse=True)
def _no_server_unasked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a test that is not marked `server` from starting one."""

    def refuse(_: object) -> None:
        pytest.fail("a test that starts a server asks for the fixture `own_servers`")

    if request.node.get_closest_marker("server") is None:
        for each in (LocalKafka, LocalPostgres):
            monkeypatch.setattr(each, "start", refuse)


@pytest.fixture(scope="session")
def own_servers() -> None:
    """Nothing; a test that asks for it starts servers of its own."""


@pytest.fixture(scope="session")
def servers() -> Iterator[LocalServers]:
    """Kafka and PostgreSQL, started once."""
    if RUNNING in os.environ:
        bootstrap, postgres = os.environ[RUNNING].split(" ")
        kafka = SimpleNamespace(bootstrap=bootstrap)
        lent = SimpleNamespace(url=lambda database="postgres": f"{postgres}/{database}")
        yield LocalServers(cast("LocalKafka", kafka), cast("LocalPostgres", lent))
        return
    with local_servers(quick_disk(), SOON) as running:
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
