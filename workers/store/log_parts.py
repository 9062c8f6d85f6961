"""The partitions ("parts") of the decision log: created in advance and detached when they are old.

The invariant: a row has a part for its sequence number; the default part stays empty unless parts are missing.
"""

from typing import Any, NamedTuple

import asyncpg

from workers.rules.calendar import Instant
from workers.store.postgres import acquired
from workers.store.statements import statement

PART_ROWS = 10_000_000
"""Rows of a shard in one part."""
AHEAD = 2
"""Empty parts after the newest row: more than is written between two calls of `extend_log`."""


class LogPart(NamedTuple):
    """A part of the log and its present contents."""

    name: str
    first_seq: int
    end_seq: int
    newest: Instant | None
    """When its newest row was recorded; None if it is empty."""


async def extend_log(connection: Any, until: int = 0, part_rows: int = PART_ROWS) -> int:
    """Create parts after the newest row and after `until`; returns how many."""
    return int(await connection.fetchval(statement("extend_log"), part_rows, AHEAD, until))


async def make_room(pool: asyncpg.Pool) -> int:
    """Create parts after the newest row, on a connection of the pool."""
    async with acquired(pool) as connection:
        return await extend_log(connection)


async def empty_default(connection: Any, part_rows: int = PART_ROWS) -> int:
    """Move the rows of the default part into new parts; returns how many. Needs a transaction."""
    if not await connection.fetchval(statement("log_overflow")):
        return 0
    before = max((each.end_seq for each in await log_parts(connection)), default=0)
    await connection.execute(statement("detach_default"))
    await extend_log(connection, part_rows=part_rows)
    moved = await connection.execute(statement("move_overflow"), before)
    await connection.execute(statement("attach_default"))
    return int(moved.rsplit(" ", 1)[1])


async def log_parts(connection: Any) -> list[LogPart]:
    """The parts, oldest first."""
    return [LogPart(*row) for row in await connection.fetch(statement("log_parts"))]


async def detach(connection: Any, part: LogPart) -> None:
    """Detach a part from the log; its table stays."""
    await connection.execute(await connection.fetchval(statement("detach_part"), part.name))
