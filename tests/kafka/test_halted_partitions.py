"""A partition that cannot be read on is halted, alone; nothing of it is skipped, neither then nor when it goes on."""

import asyncio

import pytest
from aiokafka import TopicPartition as Place
from aiokafka.cluster import ClusterMetadata
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.broker import batch, numbered, produce_raw
from tests.support.stored import Positions, Worker
from tests.support.streams import Stream, all_once, running, until


async def test_what_was_taken_back_before_an_unreadable_batch_is_not_skipped(stream: Stream) -> None:
    stream.produce(numbered(0, 30), "cases")
    await produce_raw(stream.bootstrap, stream.prefix + "cases", batch("zstd", [(b"k", bytes(300_000_000), ())]))
    positions = Positions()
    reading = stream.reading()
    worker = Worker(positions, seconds=0.3, waits={("cases", 0): 10})
    async with running(reading, worker):
        await until(lambda: reading.halted == [("cases", 0)])
        await until(lambda: bool(worker.committed))
        stream.produce(numbered(0, 10), "orders")
        await positions.until({("orders", 0): 10})
        assert positions.next_offset["cases", 0] == 10
        assert len(positions.records) == 20


async def test_a_halted_partition_that_was_set_right_is_read_on_when_it_is_claimed_again(stream: Stream) -> None:
    stream.produce(numbered(0, 100))
    client = AdminClient({"bootstrap.servers": stream.bootstrap})
    gone = TopicPartition(stream.prefix + "orders", 0, 50)
    client.delete_records([gone])[gone].result(10)
    positions = Positions({("orders", 0): 20})
    reading = stream.reading()
    async with running(reading, worker := Worker(positions)):
        await until(lambda: len(reading.halted) == 1)
        positions.next_offset["orders", 0] = 50
        worker.waits["orders", 0] = 60
        worker.fail = 1
        stream.produce(numbered(0, 10), partition=1)
        await positions.until({("orders", 1): 10, ("orders", 0): 60})
        assert reading.halted == []
        stream.produce(numbered(0, 10), partition=2)
        await positions.until({("orders", 2): 10})
        assert positions.next_offset["orders", 0] == 60, "it went past what must wait"


async def test_a_partition_that_cannot_be_read_loses_nothing_that_was_fetched_with_it(stream: Stream) -> None:
    for topic in ("orders", "cases"):
        for partition in (0, 2):
            stream.produce(numbered(0, 10), topic, partition)
        bomb = batch("zstd", [(b"k", bytes(300_000_000), ())])
        await produce_raw(stream.bootstrap, stream.prefix + topic, bomb, 1)
    positions = Positions()
    reading = stream.reading()
    async with running(reading, Worker(positions)):
        await until(lambda: reading.halted == [("cases", 1), ("orders", 1)])
        await positions.until({(topic, partition): 10 for topic in ("orders", "cases") for partition in (0, 2)})
    for topic in ("orders", "cases"):
        assert all_once(positions, topic) == [b"%d" % number for number in range(10)] * 2


async def test_a_bomb_halts_its_partition_alone_and_takes_no_memory(stream: Stream) -> None:
    stream.produce(numbered(0, 3))
    bomb = batch("zstd", [(b"k", bytes(300_000_000), ())])
    await produce_raw(stream.bootstrap, stream.prefix + "orders", bomb)
    positions = Positions()
    reading = stream.reading()
    async with running(reading, Worker(positions)) as task:
        await until(lambda: reading.halted == [("orders", 0)])
        stream.produce(numbered(0, 10), partition=1)
        await positions.until({("orders", 0): 3, ("orders", 1): 10})
        assert not task.done()


async def test_a_stored_position_that_is_gone_halts_its_partition_alone(stream: Stream) -> None:
    stream.produce(numbered(0, 100))
    stream.produce(numbered(0, 10), partition=1)
    client = AdminClient({"bootstrap.servers": stream.bootstrap})
    gone = TopicPartition(stream.prefix + "orders", 0, 50)
    client.delete_records([gone])[gone].result(10)
    positions = Positions({("orders", 0): 20, ("orders", 2): 5})
    reading = stream.reading()
    async with running(reading, Worker(positions)) as task:
        await positions.until({("orders", 1): 10})
        await until(lambda: len(reading.halted) == 2)
        stream.produce(numbered(10, 20), partition=1)
        await positions.until({("orders", 1): 20})
        assert not task.done()
        assert reading.halted == [("orders", 0), ("orders", 2)]
        read = {("orders", 0): 20, ("orders", 1): 20, ("orders", 2): 5}
        ends = await reading.consumer.ends(read)
        assert ends == {("orders", 0): 100, ("orders", 1): 20}, "an end before the position proves nothing"
    assert positions.next_offset == {("orders", 0): 20, ("orders", 1): 20, ("orders", 2): 5}


async def test_a_recreated_topic_is_not_read_from_the_position_of_the_old_one(stream: Stream) -> None:
    before = await stream.topic_ids()
    await stream.make_anew("orders")
    stream.produce(numbered(0, 100))  # more than was read of the old one
    stream.produce(numbered(0, 10), "cases")
    positions = Positions({("orders", 0): 20})
    reading = stream.reading(topic_ids=before)
    async with running(reading, Worker(positions)) as task:
        await positions.until({("cases", 0): 10})
        assert reading.halted == [("orders", number) for number in range(3)]
        assert not task.done()
    assert positions.next_offset == {("orders", 0): 20, ("cases", 0): 10}


async def test_a_topic_recreated_while_it_is_read_is_halted_at_the_next_request_to_the_brokers(
    stream: Stream,
) -> None:
    stream.produce(numbered(0, 20))
    reading = stream.reading(topic_ids=await stream.topic_ids())
    positions = Positions()
    async with running(reading, Worker(positions)):
        await positions.until({("orders", 0): 20})
        assert await reading.consumer.partition_counts() == {"orders": 3, "cases": 3}
        assert reading.halted == []
        await stream.make_anew("orders")
        async with asyncio.timeout(20):
            while reading.halted != [("orders", number) for number in range(3)]:
                await reading.consumer.partition_counts()
        reading.block(("orders", 0))
        reading.unblock(("orders", 0))
        assert Place(stream.prefix + "orders", 0) in reading.consumer.client.paused()


async def test_a_partition_without_a_leader_does_not_hide_the_ends_of_the_others(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.produce(numbered(0, 20), partition=1)
    reading = stream.reading()
    async with running(reading, worker := Worker(Positions())):
        await until(lambda: bool(worker.claims))
        everywhere = await reading.ends()
        leader_of = ClusterMetadata.leader_for_partition

        def leader_without_one(cluster: ClusterMetadata, place: Place) -> int | None:
            return -1 if place == (stream.prefix + "orders", 2) else leader_of(cluster, place)

        monkeypatch.setattr(ClusterMetadata, "leader_for_partition", leader_without_one)
        assert await reading.ends() == {place: end for place, end in everywhere.items() if place != ("orders", 2)}
        assert (await reading.ends())["orders", 1] == 20
