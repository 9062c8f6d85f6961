"""What every session is set to, whatever the database sets by default; what a database must be; and several hosts.

Owns connections alone: what is done with them the other tests show.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.database_deployment import deployed, expected, policies_of, wanted
from tests.support.policies import SAMPLE
from workers.devservers.stack import LocalServers
from workers.store.connections import SESSION, DatabaseUnfit, DatabaseUnreachable, connect, database_of, open_pool
from workers.store.deployment import load_deployment, set_up

SOMEBODY_ELSES = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "1",
    "search_path": "elsewhere",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German",
    "intervalstyle": "iso_8601",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_indexscan": "off",
    "enable_nestloop": "off",
    "jit": "on",
}
POLICIES = policies_of(SAMPLE.read_text())


@asynccontextmanager
async def superuser(servers: LocalServers) -> AsyncIterator[asyncpg.Connection]:
    """A session of the server's owner."""
    connection = await asyncpg.connect(servers.postgres.url())
    try:
        yield connection
    finally:
        await connection.close()


async def test_each_session_sets_what_the_engine_relies_on(servers: LocalServers, database_url: str) -> None:
    assert SOMEBODY_ELSES.keys() >= SESSION.keys()
    async with superuser(servers) as connection:
        for name, value in SOMEBODY_ELSES.items():
            await connection.execute(f"alter database {database_of(database_url)} set {name} = '{value}'")
    pool = await open_pool(database_url, name="test", connections=1)
    one = await connect(database_url)
    try:
        for session in (pool, one):
            found = {name: await session.fetchval(f"show {name}") for name in SESSION}
            assert found == SESSION
            assert await session.fetchval("show statement_timeout") in ("30s", "15min")
        async with pool.acquire() as other, other.transaction():
            assert await other.fetchval("show transaction_isolation") == "read committed"
    finally:
        await pool.close()
        await one.close()
    async with deployed(database_url, POLICIES) as made:
        assert (await made.store.positions())[0].next_offset == 0


async def test_a_read_only_pool_can_write_nothing(database_url: str) -> None:
    pool = await open_pool(database_url, name="test", connections=1, read_only=True)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("create table anything ()")
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("encoding 'LATIN1' locale 'C' template template0", "LATIN1, which cannot store every name"),
        ("encoding 'SQL_ASCII' locale 'C' template template0", "SQL_ASCII, which cannot store every name"),
    ],
)
async def test_a_database_that_cannot_store_every_name_is_refused(
    servers: LocalServers, topic_prefix: str, how: str, why: str
) -> None:
    name = topic_prefix.rstrip(".")
    async with superuser(servers) as connection:
        await connection.execute(f"create database {name} {how}")
    await assert_refused(servers.postgres.url(name), why)


async def test_a_limit_that_ends_transactions_is_refused(servers: LocalServers, database_url: str) -> None:
    async with superuser(servers) as connection:
        await connection.execute(f"alter database {database_of(database_url)} set transaction_timeout = '5s'")
    await assert_refused(database_url, "transaction_timeout is 5000 ms")


async def assert_refused(url: str, why: str) -> None:
    """Neither `setup` nor a worker uses the database; both say why in one line."""
    one = await connect(url)
    pool = await open_pool(url, name="test", connections=1)
    try:
        with pytest.raises(DatabaseUnfit, match=why):
            await set_up(one, wanted(POLICIES), 0)
        with pytest.raises(DatabaseUnfit, match=why):
            await load_deployment(pool, expected(wanted(POLICIES)))
    finally:
        await one.close()
        await pool.close()


async def test_of_several_hosts_the_first_that_accepts_is_used(database_url: str) -> None:
    there = urlsplit(database_url).netloc.rpartition("@")[2]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"127.0.0.1:{silent.getsockname()[1]}"
        several = database_url.replace(there, f"127.0.0.1:1,{mute},{there}") + "?target_session_attrs=read-write"
        connection = await connect(several, timeout=1)
        await connection.close()
        nowhere = database_url.replace(f"@{there}", f":a-secret@127.0.0.1:1,{mute}")
        with pytest.raises(DatabaseUnreachable) as refused:
            await connect(nowhere, timeout=0.2)
    said = str(refused.value)
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in said
    assert f"PostgreSQL at {mute} cannot be reached: no answer in time" in said
    assert "a-secret" not in said


async def test_a_server_without_what_the_url_asks_for_is_named(database_url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="None of the hosts match the target attribute"):
        await connect(f"{database_url}?target_session_attrs=standby")


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ("connect_timeout=10", "unrecognized configuration parameter"),
        ("work_mem=much", 'invalid value for parameter "work_mem"'),
        ("shared_buffers=1GB", "cannot be changed"),
    ],
)
async def test_a_parameter_of_the_url_that_postgresql_refuses_is_one_line(
    database_url: str, parameter: str, why: str
) -> None:
    with pytest.raises(DatabaseUnfit, match=why):
        await connect(f"{database_url}?{parameter}")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:p%40@h1:1,h2:2/of%20ours?target_session_attrs=read-write", "of ours"),
        ("postgresql://h1?dbname=asked", "asked"),
        ("postgresql://h1", "postgres"),
    ],
)
def test_the_database_that_a_url_asks_for(url: str, name: str) -> None:
    assert database_of(url) == name
