"""What `standing setup` adopts and refuses after facts were read, and with which settings no worker starts.

The rule is that nothing may judge the past differently: policies, rules and time zone data stay.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from tests.support.database_deployment import expected, policies_of, wanted
from tests.support.policies import SAMPLE
from workers.rules.calendar import DAY, SECOND, Instant, written
from workers.store.connections import open_pool
from workers.store.deployment import DeploymentMismatch, Wanted, check_same_deployment, load_deployment, set_up

Listed = tuple[str, str, Instant]
"""Id, digest and effective_from of a policy."""

NOW: Instant = 20_000 * DAY
SOON = NOW + 5 * 60 * SECOND
FIRST: Listed = ("2016-02", "as it was", NOW - 300 * DAY)
LATER: Listed = ("2099-01", "of years to come", NOW + 300 * DAY)
OTHER_VERSIONS = [{"rules_version": 2}, {"tzdata_version": "2025.2"}]
POLICIES = policies_of(SAMPLE.read_text())


def here(*policies: Listed, **changes: Any) -> Wanted:
    """What a program with these policies wants."""
    return replace(wanted(POLICIES), policies=policies, **changes)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """To a database that was set up with the first policy."""
    connected = await asyncpg.connect(database_url)
    try:
        await set_up(connected, here(FIRST), NOW - DAY)
        yield connected
    finally:
        await connected.close()


@pytest.fixture
async def pool(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Of a worker, to the same database."""
    opened = await open_pool(database_url, name="test", connections=1)
    yield opened
    await opened.close()


async def read_up_to(connection: asyncpg.Connection, newest: Instant) -> None:
    """Facts were read, the newest of them from one partition, an older one from another."""
    latest = "update positions set latest_occurred_at = $1 where topic = $2 and partition = 1"
    await connection.execute(latest, newest, "complaints")
    await connection.execute(latest, newest - DAY, "order-status")


async def refusal(connection: asyncpg.Connection, wished: Wanted) -> str:
    """Why `standing setup` adopts nothing of it."""
    before = await connection.fetch("select * from deployment")
    with pytest.raises(DeploymentMismatch) as refused:
        await set_up(connection, wished, NOW)
    assert await connection.fetch("select * from deployment") == before
    return str(refused.value)


async def test_before_any_fact_was_read_setup_adopts_any_change(
    connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    of_old = here(("of old", "another", -NOW), rules_version=2, tzdata_version="1970.1")
    assert await set_up(connection, of_old, NOW) == ["updated the deployment; workers that started before stop"]
    await load_deployment(pool, expected(of_old))


@pytest.mark.parametrize(
    ("policies", "change"),
    [([("2016-02", "edited", FIRST[2]), LATER], "changed"), ([LATER], "missing")],
    ids=["changed", "missing"],
)
async def test_a_policy_that_judged_facts_may_be_neither_changed_nor_removed(
    connection: asyncpg.Connection, policies: list[Listed], change: str
) -> None:
    await read_up_to(connection, NOW - DAY)
    assert await refusal(connection, here(*policies)) == (
        f"policy '2016-02' is {change}, but facts were already judged by it: restore the file and add a "
        "new policy, or rebuild the database from the topics"
    )


@pytest.mark.parametrize(
    ("newest", "limit"), [(NOW - DAY, SOON), (SOON + 1, SOON + 1)], ids=["five minutes from now", "the newest fact"]
)
async def test_a_new_policy_begins_later_than_the_newest_fact_and_than_five_minutes_from_now(
    connection: asyncpg.Connection, pool: asyncpg.Pool, newest: Instant, limit: Instant
) -> None:
    await read_up_to(connection, newest)
    assert await refusal(connection, here(FIRST, ("new", "too early", limit))) == (
        f"policy 'new' takes effect at {written(limit)}, but must take effect after {written(limit)}, up to which "
        "facts were already read: choose a later instant, or rebuild the database from the topics"
    )
    with_new = here(FIRST, ("new", "late enough", limit + 1))
    assert await set_up(connection, with_new, NOW) == ["updated the deployment; workers that started before stop"]
    assert await set_up(connection, with_new, NOW + DAY) == []
    await load_deployment(pool, expected(with_new))


@pytest.mark.parametrize("changes", OTHER_VERSIONS, ids=["rules", "time zones"])
async def test_once_facts_were_read_setup_refuses_other_rules_and_other_time_zones(
    connection: asyncpg.Connection, changes: dict[str, Any]
) -> None:
    await read_up_to(connection, NOW - DAY)
    [(name, value)] = changes.items()
    assert await refusal(connection, here(FIRST, **changes)) == (
        f"{name} changes from {getattr(here(), name)} to {value}, which would change the judgement of facts "
        "that were already read: rebuild the database from the topics instead"
    )


@pytest.mark.parametrize(
    "policies", [[FIRST, LATER], [], [("2016-02", "edited", FIRST[2])]], ids=["a new one", "missing", "changed"]
)
async def test_a_worker_does_not_start_with_other_policies(pool: asyncpg.Pool, policies: list[Listed]) -> None:
    with pytest.raises(DeploymentMismatch) as refused:
        await load_deployment(pool, expected(here(*policies)))
    assert str(refused.value) == (
        "the policies are not those that the database was set up with: run `standing setup` to adopt them"
    )


@pytest.mark.parametrize("changes", OTHER_VERSIONS, ids=["rules", "time zones"])
async def test_a_worker_does_not_start_with_other_rules_or_other_time_zones(
    pool: asyncpg.Pool, changes: dict[str, Any]
) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(DeploymentMismatch) as refused:
        await load_deployment(pool, expected(here(FIRST, **changes)))
    assert str(refused.value) == (
        f"{name} is {value!r}, but the database was set up with {getattr(here(), name)!r}; see `standing setup`"
    )


async def test_a_database_without_setup_is_refused_before_anything_is_read_or_rebuilt(database_url: str) -> None:
    opened = await open_pool(database_url, name="test", connections=1)
    connected = await asyncpg.connect(database_url)
    for prepare, said in (
        ("select 1", "the database is empty: run `standing setup` first"),
        ("create table deployment ()", "the database was not set up completely: run `standing setup` again"),
    ):
        await connected.execute(prepare)
        for check in (load_deployment(opened, expected(here(FIRST))), check_same_deployment(connected, here(FIRST))):
            with pytest.raises(DeploymentMismatch) as refused:
                await check
            assert str(refused.value) == said
    await connected.close()
    await opened.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("kafka_cluster_id", "other"), ("topic_prefix", "o."), ("consumer_group", "other"), ("input_partitions", 4)],
)
async def test_a_database_of_another_deployment_is_not_rebuilt_but_one_with_other_policies_or_rules_is(
    connection: asyncpg.Connection, name: str, value: object
) -> None:
    await check_same_deployment(connection, here(LATER, rules_version=2, tzdata_version="1970.1"))
    with pytest.raises(DeploymentMismatch, match=f"{name} is {value!r}, but the database was set up with"):
        await check_same_deployment(connection, here(FIRST, **{name: value}))
