"""The loop on a real broker: nothing lost, nothing twice, whatever happens to assignments and transactions."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from contracts.topics import Partition
from tests.support.broker import (
    Message,
    Servers,
    delete_topic,
    left_open,
    make_topic,
    numbered,
    produce,
    produce_raw,
    transaction,
    with_broken_name,
)
from tests.support.stored import Positions, Worker
from tests.support.streams import TOPICS, Stream, all_once, running, until
from workers import timeouts


async def test_every_record_is_handed_over_once_and_in_order(stream: Stream) -> None:
    for partition in range(3):
        stream.produce(numbered(0, 2000), partition=partition)
    positions = Positions()
    async with running(stream.reading(), worker := Worker(positions)):
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in range(2000)] * 3
    assert sum(len(part.records) for batch in worker.committed for part in batch) == 6000


async def test_records_come_through_raw(stream: Stream) -> None:
    sent: list[Message] = [
        (None, b"without a key", []),
        (b"without a value", None, []),
        (b"key", b"value", [("name", b"\xff\xfe"), ("name", b"")]),
        (b"", b"", []),
    ]
    stream.produce(sent)
    positions = Positions()
    async with running(stream.reading(), Worker(positions)):
        await positions.until(await stream.ends())
    assert [(each.key, each.value, list(each.headers)) for each in positions.records] == sent


async def test_a_record_larger_than_a_partitions_share_of_a_fetch_comes_through(stream: Stream) -> None:
    large = os.urandom(5_000_000)
    stream.produce([(b"a", b"first", ()), (b"k", large, ()), (b"b", b"last", ())], message_max_bytes=20_000_000)
    stream.produce(numbered(0, 10), partition=1)
    positions = Positions()
    async with running(stream.reading(), Worker(positions)):
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"first", large, b"last", *(b"%d" % number for number in range(10))]


async def test_positions_reach_the_end_beyond_markers_and_aborted_records(stream: Stream) -> None:
    topic = stream.prefix + "orders"
    for commit in (True, False, True, False):
        with transaction(stream.bootstrap, stream.prefix, commit=commit) as producer:
            producer.produce(topic, b"%r" % commit, partition=0)
    positions = Positions()
    reading = stream.reading()
    async with running(reading, Worker(positions)):
        await positions.until({("orders", 0): 8})
        ends = await reading.ends()
        assert ends == await stream.ends()
        assert ends["orders", 0] == 8
    assert positions.next_offset["orders", 0] == 8
    assert all_once(positions) == [b"True", b"True"]


async def test_the_end_is_fresh_and_counts_what_an_open_transaction_has_sent(stream: Stream) -> None:
    positions = Positions()
    reading = stream.reading()
    async with running(reading, worker := Worker(positions)):
        await until(lambda: bool(worker.claims))
        for count in range(1, 20):
            stream.produce([(b"k", b"v", ())])
            assert (await reading.ends())["orders", 0] == count
        await positions.until({("orders", 0): 19})
        with transaction(stream.bootstrap, stream.prefix) as producer:
            producer.produce(stream.prefix + "orders", b"in a transaction", partition=0)
            producer.flush()
            assert (await reading.ends())["orders", 0] == 20
            stream.produce([(b"k", b"behind it", ())])
            assert (await reading.ends())["orders", 0] == 21
            stream.produce([(b"k", b"v", ())], partition=1)
            await positions.until({("orders", 1): 1})
            assert positions.next_offset["orders", 0] == 19
            assert await reading.consumer.ends_of("orders") == {0: 21, 1: 1, 2: 0}
            assert reading.consumer.decided_until(("orders", 0)) == 19
        await positions.until({("orders", 0): 22})
        assert (await reading.ends())["orders", 0] == 22, "with the marker of its end"


async def test_a_transaction_that_was_open_before_a_start_is_counted(stream: Stream) -> None:
    left_open(stream.bootstrap, stream.prefix, stream.prefix + "orders")
    reading = stream.reading()
    async with running(reading, worker := Worker(Positions())):
        await until(lambda: bool(worker.claims))
        assert (await reading.ends())["orders", 0] == 1
        assert await reading.consumer.ends_of("orders") == {0: 1, 1: 0, 2: 0}
        assert reading.consumer.decided_until(("orders", 0)) == 0


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "aborted"])
async def test_a_position_reaches_a_high_watermark_that_only_a_marker_or_aborted_records_precede(
    stream: Stream, commit: bool
) -> None:
    positions = Positions()
    reading = stream.reading()
    async with running(reading, worker := Worker(positions)):
        await until(lambda: bool(worker.claims))
        with transaction(stream.bootstrap, stream.prefix, commit=commit) as producer:
            producer.produce(stream.prefix + "orders", b"in a transaction", partition=0)
            producer.flush()
            targets = await reading.consumer.ends_of("orders")
            assert targets is not None
        await positions.until({("orders", 0): targets[0]})
        await positions.until({("orders", 0): 2})
    assert all_once(positions) == [b"in a transaction"] * commit


async def test_the_ends_of_a_topic_are_those_of_all_its_partitions_or_none(stream: Stream) -> None:
    reading = stream.reading(topic_ids=await stream.topic_ids())
    async with running(reading, worker := Worker(Positions())):
        await until(lambda: bool(worker.claims))
        assert await reading.consumer.ends_of("cases") == {0: 0, 1: 0, 2: 0}
        assert await reading.consumer.ends_of("nowhere") is None
        assert len(await reading.ends()) == 6
        delete_topic(stream.bootstrap, stream.prefix + "cases")
        while "cases" in await stream.topic_ids():
            pass
        left = {("orders", number): 0 for number in range(3)}
        async with asyncio.timeout(30):  # the group rebalances: for a moment it has no partitions
            while (ends := await reading.ends()) != left:
                assert ends == {}
                await asyncio.sleep(0)  # nothing is asked for no partitions, so nothing else would run
        assert await reading.consumer.ends_of("cases") is None
        await make_topic(stream.bootstrap, 3, stream.prefix + "cases")
        assert await reading.consumer.ends_of("cases") is None


async def test_added_partitions_are_counted_immediately(stream: Stream) -> None:
    reading = stream.reading()
    async with running(reading, worker := Worker(Positions())):
        await until(lambda: bool(worker.claims))
        assert await reading.consumer.partition_counts() == {"orders": 3, "cases": 3}
        client = AdminClient({"bootstrap.servers": stream.bootstrap})
        more = NewPartitions(stream.prefix + "cases", 5)
        client.create_partitions([more], operation_timeout=10)[more.topic].result(10)
        assert await reading.consumer.partition_counts() == {"orders": 3, "cases": 5}


async def test_the_offsets_that_kafka_has_committed_are_never_read(stream: Stream) -> None:
    stream.produce(numbered(0, 1000))
    client = AdminClient({"bootstrap.servers": stream.bootstrap})
    ahead = ConsumerGroupTopicPartitions(f"{stream.prefix}group", [TopicPartition(stream.prefix + "orders", 0, 900)])
    client.alter_consumer_group_offsets([ahead])[ahead.group_id].result(10)
    positions = Positions({("orders", 0): 100})
    worker = Worker(positions, seconds=0.5)  # the claim is slow: what Kafka committed could be fetched meanwhile
    async with running(stream.reading(), worker):
        await until(lambda: bool(worker.claims))
        worker.seconds = 0
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in range(100, 1000)]
    assert worker.failures == 0


async def test_a_paused_partition_is_not_read_until_it_is_resumed(stream: Stream) -> None:
    positions = Positions()
    reading = stream.reading()
    async with running(reading, worker := Worker(positions)):
        await until(lambda: bool(worker.claims))
        reading.block(("orders", 0))
        stream.produce(numbered(0, 10))
        stream.produce(numbered(0, 10), partition=1)
        await positions.until({("orders", 1): 10})
        assert ("orders", 0) not in positions.next_offset
        reading.unblock(("orders", 0))
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in range(10)] * 2


async def test_what_is_taken_back_is_read_again_and_nothing_of_it_is_skipped(stream: Stream) -> None:
    stream.produce(numbered(0, 100))
    positions = Positions()
    reading = stream.reading()
    worker = Worker(positions, seconds=0.005, waits={("orders", 0): 40})
    async with running(reading, worker):
        await positions.until({("orders", 0): 40})
        for count in range(20, 420, 20):  # other partitions go on meanwhile
            stream.produce(numbered(count - 20, count), partition=1)
            await positions.until({("orders", 1): count})
        assert positions.next_offset["orders", 0] == 40
        worker.waits.clear()
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in (*range(100), *range(400))]


async def test_a_header_name_that_is_not_utf_8_stops_no_partition(stream: Stream) -> None:
    stream.produce(numbered(0, 3))
    strange: list[Message] = [(b"k", b"3", [("abcd", b"x")])]
    await produce_raw(stream.bootstrap, stream.prefix + "orders", with_broken_name("zstd", strange, b"abcd"))
    stream.produce(numbered(4, 7))
    positions = Positions()
    async with running(stream.reading(), Worker(positions)):
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in range(7)]


RESTARTED = """
import asyncio, sys
from tests.support.stored import Positions, Worker
from tests.support.streams import Stream
class Loud(Worker):
    async def process(self, decoded):
        await super().process(decoded)
        print(decoded[0].records[0].offset, flush=True)
bootstrap, prefix = sys.argv[1:]
print("starting", flush=True)
asyncio.run(Stream(bootstrap, prefix).reading(batch_size=10).run(Loud(Positions()), asyncio.Event()))
"""


def test_a_worker_that_was_killed_and_restarted_continues_immediately(servers: Servers) -> None:
    prefix = f"p{os.urandom(4).hex()}-"
    for topic in TOPICS:
        asyncio.run(make_topic(servers.bootstrap, 3, prefix + topic))
    produce(servers.bootstrap, prefix + "orders", numbered(0, 10))
    waits = []
    for _ in range(3):
        command = [sys.executable, "-c", RESTARTED, servers.bootstrap, prefix]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "starting\n"
            started = time.monotonic()
            assert process.stdout.readline() == "0\n"
            waits.append(time.monotonic() - started)
            process.kill()
    assert max(waits) < timeouts.SESSION_SECONDS, f"waited for the session's end: {waits}"


async def test_failed_transactions_are_read_again_and_nothing_is_skipped(stream: Stream) -> None:
    for partition in range(3):
        stream.produce(numbered(0, 1000), partition=partition)
    positions = Positions()
    worker = Worker(positions, seconds=0.002)
    async with running(stream.reading(batch_size=100), worker):
        for part in range(1, 6):
            worker.fail = 3
            await positions.until_applied(part * 500)
        await positions.until(await stream.ends())
    assert all_once(positions) == [b"%d" % number for number in range(1000)] * 3
    assert worker.failures == 15


async def test_a_database_that_stays_unreachable_ends_the_loop_in_bounded_time(stream: Stream) -> None:
    stream.produce(numbered(0, 10))
    worker = Worker(Positions(), fail=1000)
    with pytest.raises(ConnectionError, match="the database is away"):
        await asyncio.wait_for(stream.reading().run(worker, asyncio.Event()), 40)
    assert not worker.positions.applied


class CannotClaim(Worker):
    """A worker whose database is away when it claims."""

    async def claim(self, places: Sequence[Partition]) -> None:
        raise ConnectionError("the database is away")


async def test_a_claim_that_fails_ends_the_loop(stream: Stream) -> None:
    with pytest.raises(ConnectionError, match="the database is away"):
        await asyncio.wait_for(stream.reading().run(CannotClaim(Positions()), asyncio.Event()), 20)


async def test_workers_that_come_and_go_apply_every_record_once(stream: Stream) -> None:
    positions = Positions()
    produced = 0
    async with running(stream.reading("always", 50), Worker(positions, seconds=0.005)) as always:
        for _ in range(4):
            async with running(stream.reading("guest", 50), guest := Worker(positions, seconds=0.005)):
                for _ in range(20):
                    for partition in range(3):
                        stream.produce(numbered(produced, produced + 20), partition=partition)
                    produced += 20
                    await asyncio.sleep(0.05)
                await until(lambda: bool(guest.claims))
        assert not always.done(), always.exception()
        await positions.until(await stream.ends(), 60)
    assert all_once(positions) == [b"%d" % number for number in range(produced)] * 3


class SetUpForTwo(Worker):
    """A worker whose database knows two partitions of each topic."""

    async def claim(self, places: Sequence[Partition]) -> None:
        await super().claim(places)
        await self.release([place for place in places if place[1] == 2])


async def test_a_partition_added_after_setup_does_not_stop_the_others(stream: Stream) -> None:
    for partition in range(3):
        stream.produce(numbered(0, 10), partition=partition)
    positions = Positions()
    async with running(stream.reading(), SetUpForTwo(positions)):
        await positions.until({("orders", 0): 10, ("orders", 1): 10})
    assert all_once(positions) == [b"%d" % number for number in range(10)] * 2


async def members(stream: Stream) -> int:
    """How many the group has, those included that ended and whose session goes on."""
    admin = AdminClient({"bootstrap.servers": stream.bootstrap})
    group = f"{stream.prefix}group"
    return len((await asyncio.wrap_future(admin.describe_consumer_groups([group])[group])).members)


async def test_a_worker_that_stops_leaves_its_partitions_to_the_others_immediately(stream: Stream) -> None:
    staying, leaving = Worker(Positions()), Worker(Positions())
    async with running(stream.reading("staying"), staying):
        await until(lambda: len(staying.claims) == 1)
        async with running(stream.reading("leaving"), leaving):
            await until(lambda: bool(leaving.claims) and len(staying.claims) > 1)
            assert await members(stream) == 2
        assert await members(stream) == 1


async def test_a_worker_with_every_partition_keeps_its_membership_for_its_successor(stream: Stream) -> None:
    worker = Worker(Positions())
    async with running(stream.reading(), worker):
        await until(lambda: bool(worker.claims))
    assert await members(stream) == 1
