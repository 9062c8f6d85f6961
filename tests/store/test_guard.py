"""Which connections a process may use when another database answers than at its start.

Owns the guard's answer to each of several connections; two databases of one server stand for two servers.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from tests.support.broker import make_topic
from tests.support.database_deployment import SHARDS, policies_of, wanted
from tests.support.policies import SAMPLE
from workers.checkpoints import CHECKPOINTS_TOPIC, Guard, Moved
from workers.devservers.stack import LocalServers
from workers.kafka.admin import Admin
from workers.store.deployment import Server, connected_server, set_up

MOVED = "update deployment set system_identifier = 'the former'"
ADOPTED = "update deployment set system_identifier = $1"


@pytest.fixture
async def guard(servers: LocalServers, topic_prefix: str) -> Guard:
    """Of a deployment that published nothing yet."""
    await make_topic(servers.bootstrap, SHARDS, topic_prefix + CHECKPOINTS_TOPIC)
    return Guard(Admin(servers.access), topic_prefix)


@pytest.fixture
async def moved(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections to a server that is not the one that was set up."""
    async with AsyncExitStack() as closing:
        opened = [await asyncpg.connect(database_url) for _ in range(3)]
        for each in opened:
            closing.push_async_callback(each.close)
        await set_up(opened[0], wanted(policies_of(SAMPLE.read_text())), 0)
        await opened[0].execute(MOVED)
        yield opened


async def test_a_worker_uses_no_connection_to_a_server_that_moved_until_it_was_adopted(
    guard: Guard, moved: list[asyncpg.Connection]
) -> None:
    here = await connected_server(moved[0])
    guard._admitted = Server("the former", 1, 1, "then")
    for connection in moved:
        with pytest.raises(Moved):
            await guard.connected(connection)
    await moved[0].execute(ADOPTED, here.system_identifier)
    for connection in moved:
        await guard.connected(connection)
    assert not guard.moved


async def test_the_relay_may_use_a_server_before_it_adopts_it_but_no_other_that_moved(
    guard: Guard, moved: list[asyncpg.Connection]
) -> None:
    await guard.compare(moved[0], even_moved=True)
    assert guard.moved
    for connection in moved:
        await guard.connected(connection)
    guard._admitted = Server("another", 1, 1, "then")
    for connection in moved:
        with pytest.raises(Moved):
            await guard.connected(connection)
