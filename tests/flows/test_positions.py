"""`standing position`: from where a partition is read on, where an operator decided what was lost."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.deployment import Deployment, opened
from tests.support.facts import enrolled, paid
from tests.support.raw import send_to
from workers.commands.positions import PositionRefused, set_position, set_to_start
from workers.commands.setup import run_setup
from workers.lost_topics import TopicLost
from workers.store.records import Position
from workers.wiring import Database

ORDERS = "order-status"


async def position(database: Database, partition: int, topic: str = ORDERS) -> Position:
    [found] = [
        each for each in await database.store.positions() if (each.topic, each.partition) == (topic, partition)
    ]
    return found


async def test_a_position_is_set_within_what_the_topic_has(deployment: Deployment) -> None:
    send_to(deployment, ORDERS, 3, [b"{"] * 5)
    async with opened(deployment.settings) as (database, kafka):
        [claimed] = await database.store.claim_positions([(ORDERS, 3)], "somebody")
        assert await set_position(database, kafka, ORDERS, 3, 4) == [
            "order-status/3 is read from offset 4; before: 0"
        ]
        found = await position(database, 3)
        assert (found.next_offset, found.epoch) == (4, claimed.epoch + 1)
        for topic, partition, offset, why in [
            (ORDERS, 3, 6, "order-status/3 holds offsets 0 to 5, not 6"),
            (ORDERS, 4, 0, "order-status has no partition 4"),
            ("suspensions", 0, 0, "suspensions is no input topic"),
        ]:
            with pytest.raises(PositionRefused, match=why):
                await set_position(database, kafka, topic, partition, offset)
        assert (await position(database, 3)).next_offset == 4


async def test_a_topic_without_its_beginning_is_read_from_what_is_there(deployment: Deployment) -> None:
    send_to(deployment, ORDERS, 1, [b"{"] * 5)
    client = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    [done] = client.delete_records([TopicPartition(deployment.prefix + ORDERS, 1, 3)]).values()
    done.result(10)
    said = deployment.standing("position", ORDERS, "--to-start")
    assert "order-status/1 is read from offset 3; before: 0" in said.stdout.splitlines()
    async with opened(deployment.settings) as (database, _):
        assert [(await position(database, number)).next_offset for number in range(4)] == [0, 3, 0, 0]


def test_no_position_is_set_while_a_worker_reads(deployment: Deployment) -> None:
    deployment.send([enrolled("a", "2016-03-01 10:00"), paid("a", "2016-03-02 10:00")])
    with deployment.working():
        deployment.drain()
        refused = deployment.standing("position", ORDERS, "--partition", "0", "--offset", "0", check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("standing: stop every ingest worker first; running: standing ingest ")
    nothing = deployment.standing("position", ORDERS, "--offset", "0", check=False)
    assert nothing.stderr == "standing: give --partition and --offset, or --to-start, or --new-topic\n"


async def test_a_recreated_topic_is_read_from_its_start_after_an_operator_s_command(
    deployment: Deployment,
) -> None:
    name = deployment.prefix + ORDERS
    client = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    async with opened(deployment.settings) as (database, kafka):
        with pytest.raises(PositionRefused, match="order-status is the one that was set up"):
            await set_to_start(database, kafka, ORDERS, new_topic=True)
        send_to(deployment, "complaints", 0, [b"{"])
        await set_position(database, kafka, "complaints", 0, 1)  # until something was read `setup` makes topics again
    client.delete_topics([name])[name].result(10)
    while name in client.list_topics(timeout=10).topics:
        pass
    client.create_topics([NewTopic(name, 4, config={"retention.ms": "-1"})])[name].result(10)
    with pytest.raises(TopicLost, match="order-status was deleted and recreated"):
        await run_setup(deployment.settings)
    async with opened(deployment.settings) as (database, kafka):
        with pytest.raises(PositionRefused, match="was deleted and recreated: use --new-topic"):
            await set_to_start(database, kafka, ORDERS)
        done = await set_to_start(database, kafka, ORDERS, new_topic=True)
        assert done[:4] == [f"order-status/{number} is read from offset 0; before: 0" for number in range(4)]
    await run_setup(deployment.settings)
