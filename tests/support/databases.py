"""A deployment's database copied, replaced by an older copy, or told that its server is another one.

All workers of the deployment must be stopped for a copy.
"""

import asyncio
import time
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.deployment import Deployment

OLDER = "_older"


def url_of(deployment: Deployment) -> str:
    """How the deployment's database is reached."""
    return deployment.environment["STANDING_DATABASE_URL"]


async def keep_copy(deployment: Deployment) -> None:
    """Copy the database as it is now, to be put in its place later."""
    name = urlsplit(url_of(deployment)).path.lstrip("/")
    await _maintain(deployment, f'create database "{name}{OLDER}" template "{name}"')


async def set_back(deployment: Deployment) -> None:
    """Put the copy in the place of the database, although clients are connected to it."""
    name = urlsplit(url_of(deployment)).path.lstrip("/")
    await _maintain(
        deployment, f'drop database "{name}" with (force)', f'alter database "{name}{OLDER}" rename to "{name}"'
    )


async def drop(deployment: Deployment) -> None:
    """Lose the database altogether."""
    name = urlsplit(url_of(deployment)).path.lstrip("/")
    await _maintain(deployment, f'drop database "{name}" with (force)')


async def make_empty(deployment: Deployment) -> None:
    """An empty database in the place of the lost one."""
    name = urlsplit(url_of(deployment)).path.lstrip("/")
    await _maintain(deployment, f'create database "{name}"')


async def _maintain(deployment: Deployment, *statements: str) -> None:
    connection = await asyncpg.connect(urlunsplit(urlsplit(url_of(deployment))._replace(path="/postgres")))
    try:
        for each in statements:
            await connection.execute(each)
    finally:
        await connection.close()


async def rows(deployment: Deployment, query: str) -> list[tuple[object, ...]]:
    """What a query finds in the deployment's database."""
    connection = await asyncpg.connect(url_of(deployment))
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


WRITTEN = (
    "select (select count(*) from decision_log), (select sum(next_offset) from positions), "
    "(select sum(sequence) from accounts), (select sum(epoch) from positions)"
)
"""What changes when any worker but the relay works."""


async def until(deployment: Deployment, condition: str) -> None:
    """Wait until the database says true."""
    deadline = time.monotonic() + 60
    while not (await rows(deployment, f"select ({condition})"))[0][0]:
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.05)


async def nobody_works(deployment: Deployment) -> None:
    """Wait until the server has noticed that the workers have ended."""
    sessions = (
        "select from pg_stat_activity where datname = current_database() and application_name like 'standing %'"
    )
    await until(deployment, f"not exists ({sessions})")
