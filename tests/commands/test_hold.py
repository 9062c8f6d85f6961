"""`standing hold` on a real database: once it returns, nothing that began before can still enforce a deadline."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest

from tests.model.story import enrolled, local
from tests.support.database_deployment import DatabaseDeployment, deployed
from tests.support.played_consumer import SAMPLE
from workers import timeouts
from workers.commands.hold import hold
from workers.store.deployment import under_way
from workers.wiring import Database

ACCOUNTS = 120
SUSPENDED = "select count(*) from decision_log where kind = 'account_suspended'"


@pytest.fixture
async def deployment(database_url: str) -> AsyncIterator[DatabaseDeployment]:
    """Accounts whose deadlines are due, without a timers worker."""
    async with deployed(database_url, SAMPLE) as made:
        await made.reads(*(enrolled("2016-03-01", f"a{number:03}") for number in range(ACCOUNTS)))
        await made.move_watermark(local("2017-01-01"))
        yield made


def made_of(deployment: DatabaseDeployment) -> Database:
    return cast("Database", SimpleNamespace(pool=deployment.pool))


async def until_held(deployment: DatabaseDeployment) -> None:
    """Wait until the brake is written."""
    while await deployment.pool.fetchval("select held from deployment") is None:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.01)


async def test_hold_waits_for_a_transaction_that_read_that_there_is_no_hold(
    deployment: DatabaseDeployment,
) -> None:
    async with deployment.store.transaction() as older:
        assert (await older.progress()).held is None
        holding = asyncio.create_task(hold(made_of(deployment), "an emergency"))
        await until_held(deployment)
        async with deployment.store.transaction() as newer:
            assert (await newer.progress()).held == "an emergency"
            done, _ = await asyncio.wait({holding}, timeout=0.5)
            assert not done, "the older transaction can still commit"
    assert await holding == []


async def test_hold_does_not_wait_for_a_transaction_that_began_after_it_or_is_of_another_program(
    deployment: DatabaseDeployment, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = asyncio.Event()

    async def noted(pool: asyncpg.Pool) -> dict[tuple[int, str], str]:
        found = await under_way(pool)
        listed.set()
        return found

    monkeypatch.setattr("workers.commands.hold.under_way", noted)
    dump = await asyncpg.connect(database_url, server_settings={"application_name": "pg_dump"})
    async with dump.transaction(), deployment.store.transaction() as older:
        await dump.fetch("select * from deployment")
        await older.progress()
        holding = asyncio.create_task(hold(made_of(deployment), "an emergency"))
        await listed.wait()
        newer = deployment.store.transaction()
        transaction = await newer.__aenter__()
        assert (await transaction.progress()).held == "an emergency"
    # the older one has ended, the newer one has not
    assert await asyncio.wait_for(holding, 10) == []
    await newer.__aexit__(None, None, None)
    await dump.close()


async def test_no_account_is_suspended_after_hold_returns_while_timers_run(
    deployment: DatabaseDeployment,
) -> None:
    async def timer() -> None:
        while (await deployment.enforcement.process_due(3)).accounts:
            pass

    timers = [asyncio.create_task(timer()) for _ in range(3)]
    while not await deployment.pool.fetchval(SUSPENDED):  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0)
    assert await hold(made_of(deployment), "an emergency") == []
    at_return = await deployment.pool.fetchval(SUSPENDED)
    await asyncio.gather(*timers)
    assert await deployment.pool.fetchval(SUSPENDED) == at_return
    assert 0 < at_return < ACCOUNTS


async def test_hold_names_the_transactions_that_still_run_and_takes_effect_anyway(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "HOLD_SECONDS", 0.2)
    async with deployment.store.transaction() as older:
        await older.progress()
        pid: Any = await older._connection.fetchval("select pg_backend_pid()")  # to know its name
        assert await hold(made_of(deployment), "an emergency") == [f"standing test (pid {pid})"]
    assert await deployment.pool.fetchval("select held from deployment") == "an emergency"
