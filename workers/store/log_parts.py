"""The parts of the decision log: made ahead of need, and detached when they are old.

Owns their statements. The invariant: rows find a part of their own; the default part is for an operator's mistake.
"""

from typing import Any, NamedTuple

import asyncpg

from workers.rules.calendar import Instant
from workers.store.postgres import acquired
from workers.store.statements import statement

PART_ROWS = 10_000_000
"""Rows of a shard in one part."""
AHEAD = 2
"""How many empty parts there are behind the newest row: far more than is written between two looks."""


class LogPart(NamedTuple):
    """A part of the log, and what it holds now."""

    name: str
    first_seq: int
    end_seq: int
    newest: Instant | None
    """When its newest row was recorded; None where it is empty."""


async def extend_log(connection: Any, until: int = 0, part_rows: int = PART_ROWS) -> int:
    """Make room behind the newest row, and behind `until`; returns how many parts were made."""
    return int(await connection.fetchval(statement("extend_log"), part_rows, AHEAD, until))


async def make_room(pool: asyncpg.Pool) -> int:
    """The same, as the relay does it now and then."""
    async with acquired(pool) as connection:
        return await extend_log(connection)


async def empty_default(connection: Any, part_rows: int = PART_ROWS) -> int:
    """Move rows that found no part into parts that are made for them; returns how many. In a transaction."""
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
    """Take a part out of the log; its table stays."""
    await connection.execute(await connection.fetchval(statement("detach_part"), part.name))
