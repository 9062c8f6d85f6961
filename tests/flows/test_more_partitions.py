"""A topic that has more partitions than were set up: an input topic stops deadlines, and only the registry's stops
cases; an output topic stops nothing, and its messages stay where they were.
"""

import asyncio
import json
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.support.databases import rows, until
from tests.support.deployment import Deployment
from tests.support.facts import case, enrolled, paid

ENFORCED = "(select partitions_compared_until is not null from deployment)"
NO_DEADLINES = "(select partitions_compared_until < now() - interval '2 seconds' from deployment)"
A_CASE_WAITS = """
    select array_agg(distinct topic) filter (where watermark < now() - interval '1 minute') = '{complaints}'
       and count(*) filter (where watermark < now() - interval '1 minute') = 1 from positions
"""
"""What was at its end is read to it again with the next heartbeats; the partition at the case is not."""


@pytest.fixture
def wall(deployment: Deployment) -> Deployment:
    """The deployment by the wall clock."""
    return replace(
        deployment, environment=deployment.environment | {"STANDING_CLOCK": "wall", "STANDING_INGESTS": "2"}
    )


async def grow(deployment: Deployment, topic: str) -> None:
    """The topic has a fifth partition."""
    admin = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"], "log_level": 0})
    name = deployment.prefix + topic
    await asyncio.wrap_future(admin.create_partitions([NewPartitions(name, 5)])[name])


def stuck(deployment: Deployment) -> list[str]:
    """What `standing status` says is stuck."""
    found: list[str] = json.loads(deployment.standing("status", "--json", check=False).stdout)["stuck"]
    return found


async def compared(deployment: Deployment) -> object:
    """When the brokers' numbers of partitions last agreed with those set up."""
    return await rows(deployment, "select partitions_compared_until from deployment")


@pytest.mark.parametrize("topic", ["account-requests", "order-status", "complaints"])
async def test_a_case_is_decided_while_another_topic_has_more_partitions(wall: Deployment, topic: str) -> None:
    with wall.working():
        wall.send([enrolled("zhang", "2016-03-01 10:00"), enrolled("li", "2016-03-01 10:00")])
        await until(wall, "(select count(*) = 2 from accounts where standing <> 'not_enrolled')")
        await until(wall, ENFORCED)
        await grow(wall, topic)
        await until(wall, NO_DEADLINES)
        before = await compared(wall)
        wall.send([case("zhang", "2016-03-02 10:00")])
        await until(wall, "(select count(*) = 2 from accounts where standing = 'terminated')")
        assert await compared(wall) == before
        assert stuck(wall) == [f"{topic} has 5 partitions, 4 were set up: no deadline is enforced"]


async def test_a_case_waits_while_the_registry_has_more_partitions_and_status_says_so_in_one_line(
    wall: Deployment,
) -> None:
    with wall.working():
        wall.send([enrolled("zhang", "2016-03-01 10:00")])
        await until(wall, "(select count(*) = 1 from accounts where standing = 'suspended')")
        await grow(wall, "seller-accounts")
        await until(wall, NO_DEADLINES)
        wall.send([case("zhang", "2016-03-02 10:00"), paid("zhang", "2016-03-03 10:00")])
        await until(wall, "exists (select from account_clocks where last_order_id is not null)")
        await rows(wall, "update positions set watermark = watermark - interval '2 minutes'")
        await until(wall, A_CASE_WAITS)
        line = "seller-accounts has 5 partitions, 4 were set up: no deadline is enforced and no case decided"
        assert stuck(wall) == [line]
        assert await rows(wall, "select sum(next_offset) from positions where topic = 'complaints'") == [(0,)]


async def test_messages_of_an_account_stay_in_one_partition_where_an_output_topic_has_more(
    deployment: Deployment,
) -> None:
    sellers = [f"seller-{number}" for number in range(12)]
    with deployment.working():
        deployment.send([enrolled(each, "2016-03-01 10:00", each) for each in sellers])
        deployment.drain()
    await grow(deployment, "account-standing")
    with deployment.working():
        deployment.send([case(each, "2016-03-02 10:00") for each in sellers])
        deployment.drain()
    places: dict[str, list[tuple[int, str]]] = {each: [] for each in sellers}
    for message in deployment.published(["account-standing"]):  # of the partitions that were set up
        places[message.value["account_id"]].append((message.partition, message.value["standing"]))
    for account, found in places.items():
        assert [standing for _, standing in found] == ["active", "terminated"], account
        assert len({partition for partition, _ in found}) == 1, account
