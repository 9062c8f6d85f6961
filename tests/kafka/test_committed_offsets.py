"""Kafka's committed offsets follow the stored positions, for lag monitoring only."""

import asyncio

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.topics import Partition
from tests.support.broker import numbered
from tests.support.stored import Positions, Worker
from tests.support.streams import Stream, all_once, running, until
from workers import timeouts
from workers.kafka import committed_offsets
from workers.kafka.consumer import Consumer
from workers.ops.health import Vitals


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committed_offsets, "WRITE_SECONDS", 0.2)


def committed(stream: Stream) -> dict[Partition, int]:
    """What an operator's tools read."""
    client = AdminClient({"bootstrap.servers": stream.bootstrap})
    group = ConsumerGroupTopicPartitions(f"{stream.prefix}group")
    found = client.list_consumer_group_offsets([group])[group.group_id].result(10)
    return {(each.topic.removeprefix(stream.prefix), each.partition): each.offset for each in found.topic_partitions}


async def test_lag_is_seen_while_a_worker_runs_and_after_it_stopped(stream: Stream) -> None:
    stream.produce(numbered(0, 100))
    stream.produce(numbered(0, 50), partition=1)
    positions = Positions({("orders", 2): 0, ("orders", 1): 20})
    worker = Worker(positions, waits={("orders", 0): 40})
    async with running(stream.reading(), worker):
        await positions.until({("orders", 0): 40, ("orders", 1): 50})
        await until(lambda: [committed(stream).get(("orders", number)) for number in range(2)] == [40, 50])
        assert committed(stream) == {
            ("orders", 0): 40,
            ("orders", 1): 50,
            ("orders", 2): 0,
            **{("cases", number): 0 for number in range(3)},
        }, "an idle partition is shown too, and nothing that was only fetched"
    stream.produce(numbered(50, 60), partition=1)
    worker.waits.clear()
    async with running(stream.reading(), worker):
        await positions.until({("orders", 0): 100, ("orders", 1): 60})
    found = committed(stream)
    assert (found["orders", 0], found["orders", 1]) == (100, 60), "what was stored last is written at the end"


async def test_committed_offsets_of_another_client_change_nothing(stream: Stream) -> None:
    stream.produce(numbered(0, 100))
    positions = Positions()
    async with running(stream.reading(), Worker(positions)):
        await positions.until({("orders", 0): 100})
    client = AdminClient({"bootstrap.servers": stream.bootstrap})
    places = [TopicPartition(stream.prefix + "orders", number, 7 + number) for number in range(3)]
    moved = ConsumerGroupTopicPartitions(f"{stream.prefix}group", places)

    def written() -> bool:
        """Kafka refuses it while the group has members: the one that was here is missed after a while."""
        return client.alter_consumer_group_offsets([moved])[moved.group_id].exception(10) is None

    await until(written, 40)
    stream.produce(numbered(100, 110))
    async with running(stream.reading(), worker := Worker(positions)):
        await positions.until({("orders", 0): 110})
        await until(lambda: committed(stream)["orders", 0] == 110)
    assert all_once(positions) == [b"%d" % number for number in range(110)]
    assert worker.failures == 0


async def test_failed_commits_of_offsets_are_counted_and_delay_nothing(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Exception] = []
    vitals = Vitals()
    monkeypatch.setattr(Vitals, "failed", lambda _, error: failed.append(error))

    async def hangs(*_: object) -> None:
        await asyncio.sleep(1000)

    monkeypatch.setattr(Consumer, "commit", hangs)
    monkeypatch.setattr(timeouts, "OFFSETS_SECONDS", 0.1)
    stream.produce(numbered(0, 100))
    positions = Positions()
    async with running(stream.reading(vitals=vitals), Worker(positions)):
        await positions.until({("orders", 0): 100})
        await until(lambda: len(failed) > 1)
        stream.produce(numbered(0, 100), partition=1)
        await positions.until({("orders", 1): 100})
    assert {type(each) for each in failed} == {TimeoutError}
