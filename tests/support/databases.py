"""A deployment's database copied, replaced by an older copy, or told that its server is another one.

Owns nothing but these operations on PostgreSQL; all workers of the deployment must be stopped for a copy.
"""

import asyncio
import time
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.engine import Engine

OLDER = "_older"


def url_of(engine: Engine) -> str:
    """How the deployment's database is reached."""
    return engine.environment["STANDING_DATABASE_URL"]


async def keep_copy(engine: Engine) -> None:
    """Copy the database as it is now, to be put in its place later."""
    name = urlsplit(url_of(engine)).path.lstrip("/")
    await _maintain(engine, f'create database "{name}{OLDER}" template "{name}"')


async def set_back(engine: Engine) -> None:
    """Put the copy in the place of the database, whoever is connected to that."""
    name = urlsplit(url_of(engine)).path.lstrip("/")
    await _maintain(
        engine, f'drop database "{name}" with (force)', f'alter database "{name}{OLDER}" rename to "{name}"'
    )


async def drop(engine: Engine) -> None:
    """Lose the database altogether."""
    name = urlsplit(url_of(engine)).path.lstrip("/")
    await _maintain(engine, f'drop database "{name}" with (force)')


async def make_empty(engine: Engine) -> None:
    """An empty database in the place of the lost one."""
    name = urlsplit(url_of(engine)).path.lstrip("/")
    await _maintain(engine, f'create database "{name}"')


async def _maintain(engine: Engine, *statements: str) -> None:
    connection = await asyncpg.connect(urlunsplit(urlsplit(url_of(engine))._replace(path="/postgres")))
    try:
        for each in statements:
            await connection.execute(each)
    finally:
        await connection.close()


async def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    """What a query finds in the deployment's database."""
    connection = await asyncpg.connect(url_of(engine))
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


WRITTEN = (
    "select (select count(*) from decision_log), (select sum(next_offset) from positions), "
    "(select sum(sequence) from accounts), (select sum(epoch) from positions)"
)
"""What changes when any worker but the relay works."""


async def until(engine: Engine, condition: str) -> None:
    """Wait until the database says true."""
    deadline = time.monotonic() + 60
    while not (await rows(engine, f"select ({condition})"))[0][0]:
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.05)
