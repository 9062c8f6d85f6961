"""A topic that is recreated, emptied by retention or extended: its unreadable partitions are halted and named.

No deadline is enforced meanwhile, because the facts that would end it may be among the lost ones. No position is
moved so that reading could continue. Records of the other topics are processed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.faults.deployment import FaultyDeployment
from tests.support.facts import Message, enrolled, paid
from tests.support.long import long
from workers.commands.positions import set_to_start
from workers.commands.setup import run_setup
from workers.lost_topics import TopicLost
from workers.settings import Settings
from workers.wiring import open_database, open_kafka

SELLERS = [f"seller-{number}" for number in range(20)]
BEFORE = [
    *(enrolled(each, "2016-03-01 10:00") for each in SELLERS),
    *(paid(each, f"2016-03-{day} 10:00") for each in SELLERS for day in range(10, 13)),
    enrolled("clock", "2016-03-14 00:00"),
]
LATER = enrolled("latecomer", "2017-03-01 10:00")
"""By then everybody who was not heard of again would have been suspended for long."""


def send(deployment: FaultyDeployment, *messages: Message) -> None:
    deployment.plain.send(messages)


async def positions(deployment: FaultyDeployment) -> dict[tuple[str, int], int]:
    """Where each partition of orders is to be read on from."""
    connection = await asyncpg.connect(deployment.database_url)
    rows = await connection.fetch("select topic, partition, next_offset from positions where topic = 'order-status'")
    await connection.close()
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def make_anew(deployment: FaultyDeployment, admin: AdminClient) -> None:
    """Recreate the topic, with fewer records than were read of the old one."""
    name = f"{deployment.prefix}order-status"
    await asyncio.wrap_future(admin.delete_topics([name])[name])
    await deployment.observed(lambda: name not in admin.list_topics(timeout=10).topics)
    await asyncio.wrap_future(admin.create_topics([NewTopic(name, 2, config={"retention.ms": "-1"})])[name])


async def make_anew_and_fill(deployment: FaultyDeployment, admin: AdminClient) -> None:
    """The topic is recreated with more records than were read of the old one."""
    await make_anew(deployment, admin)
    send(deployment, *(paid(each, f"2016-03-14 1{hour}:00") for each in SELLERS for hour in range(6)))


async def pass_with_retention(deployment: FaultyDeployment, admin: AdminClient) -> None:
    """Records that were not read yet are deleted, as retention does."""
    send(deployment, *(paid(each, "2016-03-14 10:00") for each in SELLERS))
    name = f"{deployment.prefix}order-status"
    ends = [TopicPartition(name, number, -1) for number in range(2)]  # -1: all there are
    for each in admin.delete_records(ends).values():
        await asyncio.wrap_future(each)


async def add_partitions(deployment: FaultyDeployment, admin: AdminClient) -> None:
    """The topic has three partitions where two were set up."""
    name = f"{deployment.prefix}order-status"
    await asyncio.wrap_future(admin.create_partitions([NewPartitions(name, 3)])[name])


CHANGES = (
    pytest.param(make_anew, "partition halted", marks=long),
    pytest.param(make_anew_and_fill, "was deleted and recreated"),
    pytest.param(pass_with_retention, "partition halted", marks=long),
    pytest.param(add_partitions, "no deadline is enforced", marks=long),
)


@pytest.mark.parametrize(("change", "told"), CHANGES)
async def test_a_topic_that_changed_while_no_worker_ran_is_named_and_no_deadline_is_enforced_at_each_start(
    deployment: FaultyDeployment, change: Callable[[FaultyDeployment, AdminClient], Awaitable[None]], told: str
) -> None:
    async with deployment.working():
        before = await processed(deployment)
    await change(deployment, AdminClient({"bootstrap.servers": deployment.bootstrap, "log_level": 0}))
    send(deployment, LATER)
    for _ in range(2):
        deployment.forget_output()
        async with deployment.working():
            await named_and_halted(deployment, told, before)


@long
@pytest.mark.parametrize(("change", "told"), [CHANGES[0].values, CHANGES[-1].values])
async def test_a_topic_changed_under_working_workers_is_named_and_no_deadline_enforced(
    deployment: FaultyDeployment, change: Callable[[FaultyDeployment, AdminClient], Awaitable[None]], told: str
) -> None:
    async with deployment.working():
        before = await processed(deployment)
        await change(deployment, AdminClient({"bootstrap.servers": deployment.bootstrap, "log_level": 0}))
        send(deployment, LATER)
        await named_and_halted(deployment, told, before)


async def processed(deployment: FaultyDeployment) -> dict[tuple[str, int], int]:
    """Decide what was told before; where orders are to be read on from."""
    send(deployment, *BEFORE)
    await deployment.processed(len(BEFORE), "2016-03-14 00:00+08")
    return await positions(deployment)


async def named_and_halted(deployment: FaultyDeployment, told: str, before: dict[tuple[str, int], int]) -> None:
    """The other topics are processed, the log names the fault, and nothing else happens."""
    await deployment.until("select true from accounts where account_id = 'latecomer' and standing_digest is not null")
    await deployment.observed(lambda: told in deployment.output())
    await asyncio.sleep(2)  # time enough for heartbeats that believe all to be complete
    assert await positions(deployment) == before
    assert not deployment.ended_wrongly
    connection = await asyncpg.connect(deployment.database_url)
    suspended = await connection.fetch("select subject from decision_log where kind = 'account_suspended'")
    await connection.close()
    assert not suspended


@long
async def test_a_recreated_topic_is_read_from_its_start_after_the_documented_steps(
    deployment: FaultyDeployment,
) -> None:
    async with deployment.working():
        await processed(deployment)
    await make_anew_and_fill(deployment, AdminClient({"bootstrap.servers": deployment.bootstrap, "log_level": 0}))
    settings = Settings.of(deployment.workers)
    with pytest.raises(TopicLost, match="order-status was deleted and recreated"):
        await run_setup(settings)
    async with open_kafka(settings) as kafka, open_database(settings, "test", kafka=kafka) as database:
        assert len(await set_to_start(database, kafka, "order-status", new_topic=True)) == 3
    await run_setup(settings)
    async with deployment.working():
        await deployment.until(
            "select bool_and(last_effective_at = '2016-03-14 15:00+08')"
            " from account_clocks where account_id ^@ 'seller-'"
        )
    connection = await asyncpg.connect(deployment.database_url)
    spans = await connection.fetch("select span_start from account_clocks where account_id ^@ 'seller-'")
    await connection.close()
    assert {row["span_start"] for row in spans} == {datetime.fromisoformat("2016-03-10T10:00:00+08:00")}
