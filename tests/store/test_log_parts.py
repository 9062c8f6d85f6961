"""The parts of the decision log: there before rows need them, moved into where they were not, detached when old."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.database_deployment import policies_of, wanted
from tests.support.policies import SAMPLE
from workers.store.connections import connect, connect_types
from workers.store.deployment import set_up
from workers.store.log_parts import AHEAD, PART_ROWS, detach, empty_default, extend_log, log_parts

POLICIES = policies_of(SAMPLE.read_text())
SMALL = 1000
"""Rows of a part, behind those that the set-up made."""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """To a database that was set up."""
    connected = await connect(database_url)
    try:
        await set_up(connected, wanted(POLICIES), 0)
        await connect_types(connected)
        yield connected
    finally:
        await connected.close()


async def write(connection: asyncpg.Connection, seq: int, recorded_at: int = 0) -> None:
    """One row of the log, and the shard's next number behind it."""
    await connection.execute(
        "insert into decision_log values (0, $1, '', 'suspensions', null, '[]', '', null, 'a', 'k', null, $2)",
        seq,
        recorded_at,
    )
    await connection.execute("update shards set next_seq = $1 where shard = 0", seq + 1)


async def bounds(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    return [(each.first_seq, each.end_seq) for each in await log_parts(connection)]


async def in_default(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("select count(*) from decision_log_default"))


async def test_the_log_is_extended_ahead_of_the_newest_row_and_of_what_will_be_written(
    connection: asyncpg.Connection,
) -> None:
    end = (await bounds(connection))[-1][1]
    assert end >= AHEAD * PART_ROWS
    assert await extend_log(connection) == 0
    await write(connection, end - 1)
    assert await extend_log(connection, part_rows=SMALL) == AHEAD
    assert (await bounds(connection))[-AHEAD:] == [(end, end + SMALL), (end + SMALL, end + 2 * SMALL)]
    for seq in range(end, end + 10 * SMALL, SMALL // 2):
        await write(connection, seq)
        await extend_log(connection, part_rows=SMALL)
    assert await in_default(connection) == 0
    assert await extend_log(connection, until=end + 20 * SMALL, part_rows=SMALL) > 0
    assert (await bounds(connection))[-1][1] == end + (20 + AHEAD) * SMALL


async def test_rows_that_found_no_part_are_moved_into_one(connection: asyncpg.Connection) -> None:
    end = (await bounds(connection))[-1][1]
    for seq in (end - 1, end, end + SMALL):
        await write(connection, seq)
    assert await in_default(connection) == 2
    with pytest.raises(asyncpg.CheckViolationError):
        await extend_log(connection, part_rows=SMALL)
    async with connection.transaction():
        assert await empty_default(connection, part_rows=SMALL) == 2
    assert await in_default(connection) == 0
    assert [row[0] for row in await connection.fetch("select seq from decision_log order by seq")] == [
        end - 1,
        end,
        end + SMALL,
    ]
    assert await empty_default(connection, part_rows=SMALL) == 0


async def test_setup_moves_what_found_no_part(connection: asyncpg.Connection) -> None:
    end = (await bounds(connection))[-1][1]
    await write(connection, end)
    done = await set_up(connection, wanted(POLICIES), 0)
    assert done == ["moved 1 rows of decision_log_default into new partitions"]
    assert await in_default(connection) == 0


async def test_a_part_that_is_detached_is_no_part_of_the_log_and_its_name_is_not_used_again(
    connection: asyncpg.Connection,
) -> None:
    await write(connection, 1, recorded_at=7)
    [first, *others] = await log_parts(connection)
    assert (first.first_seq, first.end_seq, first.newest) == (0, PART_ROWS, 7)
    await detach(connection, first)
    assert await log_parts(connection) == others
    assert await connection.fetchval("select count(*) from decision_log") == 0
    assert await connection.fetchval("select count(*) from decision_log_000") == 1
    await write(connection, others[-1].end_seq - 1)
    await extend_log(connection, part_rows=SMALL)
    assert first.name not in {each.name for each in await log_parts(connection)}


async def test_keys_are_compared_by_code_points_whatever_the_database_sorts_by(
    connection: asyncpg.Connection,
) -> None:
    others = await connection.fetch(
        """
        select c.relname, a.attname from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_attribute a on a.attrelid = i.indexrelid
        where c.relnamespace = 'public'::regnamespace and a.attcollation not in (0, 950)
        """
    )
    assert others == []
