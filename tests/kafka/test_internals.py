"""What `workers/kafka/internals.py` rests on inside aiokafka and FastStream: one test for each of its functions."""

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest
from faststream.kafka import KafkaBroker

from tests.support.broker import numbered
from tests.support.streams import Stream, until
from workers.kafka import internals
from workers.kafka.internals import (
    GuardedPartitionRecords,
    TaskEnded,
    build_consumers_with,
    guard_fetches,
    leader_of,
    leave_group_at_stop,
    position_of,
    refresh_metadata,
    stop_immediately,
    wait_in_fetches,
    watch_fetches,
    watch_tasks,
)

WORKERS = Path(internals.__file__).parents[1]


class Built(Exception):
    """A consumer was to be built."""


async def test_a_faststream_subscriber_builds_its_consumer_by_the_function_it_is_given() -> None:
    given: dict[str, Any] = {}

    def build(**options: Any) -> AIOKafkaConsumer:
        given.update(options)
        raise Built

    broker = KafkaBroker("nowhere:1", consumer_only=True, request_timeout_ms=1234, logger=None)
    broker.subscriber("orders", group_id="group")
    await broker.connect()
    build_consumers_with(broker, build)
    with pytest.raises(Built):
        await broker.start()
    assert (given["bootstrap_servers"], given["request_timeout_ms"], given["group_id"]) == (
        ["nowhere:1"],
        1234,
        "group",
    )


@asynccontextmanager
async def started(stream: Stream, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of partition 0 of the orders, or of a group's share."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stream.bootstrap, enable_auto_commit=False, **options)
    stop_immediately(consumer)
    if "group_id" in options:
        consumer.subscribe([stream.prefix + "orders"])
    else:
        consumer.assign([TopicPartition(stream.prefix + "orders", 0)])
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def test_a_fetch_that_waits_for_its_next_try_does_not_cancel_the_task_that_stops_the_consumer(
    stream: Stream,
) -> None:
    async with started(stream) as consumer:
        waits = asyncio.create_task(asyncio.sleep(60))
        consumer._fetcher._pending_tasks.add(waits)
        connections = list(consumer._client._conns.values())
        assert connections
        assert all(each._writer.transport is not None for each in connections)
    assert waits.cancelled()
    assert not any(each.connected() for each in connections)


@pytest.mark.parametrize(
    ("owner", "task", "name"),
    [
        ("_fetcher", "_fetch_task", "fetches"),
        ("_coordinator", "_coordination_task", "group membership"),
        ("_client", "_sync_task", "metadata"),
    ],
)
async def test_the_end_of_a_task_is_told(stream: Stream, owner: str, task: str, name: str) -> None:
    ended: list[TaskEnded] = []
    async with started(stream, group_id=stream.prefix + "group") as consumer:
        watch_tasks(consumer, ended.append)
        getattr(getattr(consumer, owner), task).cancel()
        await until(lambda: bool(ended))
        assert str(ended[0]) == f"the Kafka client's task for {name} ended: without an error"


async def test_how_each_partition_of_a_fetch_fared_is_told() -> None:
    found: list[tuple[TopicPartition, int, int, bool]] = []
    consumer = AIOKafkaConsumer(bootstrap_servers="nowhere:1")
    answer = SimpleNamespace(topics=[("orders", [(0, 0, 9, b"records"), (1, 0, 9, b""), (2, 56, -1, b"")])])

    async def send(*_: Any, **__: Any) -> Any:
        return answer

    consumer._client.send = send
    watch_fetches(consumer, lambda *told: found.append(told))
    asked = [("orders", [(number, 10 + number, 1000) for number in range(3)])]
    assert await consumer._client.send(0, FetchRequest(-1, 0, 1, 1, asked)) is answer
    assert await consumer._client.send(0, "another request") is answer
    assert found == [
        (TopicPartition("orders", 0), 10, 0, False),
        (TopicPartition("orders", 1), 11, 0, True),
        (TopicPartition("orders", 2), 12, 56, True),
    ]
    await consumer.stop()


async def test_the_next_fetches_wait_for_records_as_long_as_is_said(stream: Stream) -> None:
    asked: list[int] = []
    async with started(stream, auto_offset_reset="earliest") as consumer:
        send = consumer._client.send

        async def send_and_note(node: Any, request: Any, **options: Any) -> Any:
            asked.extend([request._max_wait_ms] if isinstance(request, FetchRequest) else [])
            return await send(node, request, **options)

        consumer._client.send = send_and_note
        wait_in_fetches(consumer, 123)
        await until(lambda: 123 in asked)


async def test_fetches_are_sent_by_the_clients_send(stream: Stream) -> None:
    found: list[tuple[TopicPartition, int, int, bool]] = []
    place = TopicPartition(stream.prefix + "orders", 0)
    stream.produce(numbered(0, 10))
    async with started(stream, auto_offset_reset="earliest") as consumer:
        watch_fetches(consumer, lambda *told: found.append(told))
        await until(lambda: (place, 0, 0, False) in found or (place, 10, 0, True) in found)


async def test_the_position_is_known_without_a_wait(stream: Stream) -> None:
    place = TopicPartition(stream.prefix + "orders", 0)
    stream.produce(numbered(0, 10))
    async with started(stream, auto_offset_reset="none") as consumer:
        assert position_of(consumer, place) is None
        consumer.seek(place, 4)
        assert position_of(consumer, place) == 4
        assert await consumer.getmany(place, timeout_ms=10_000)
        assert position_of(consumer, place) == 10
        assert position_of(consumer, TopicPartition(stream.prefix + "orders", 1)) is None


async def test_the_leader_is_known_and_metadata_can_be_asked_for(stream: Stream) -> None:
    async with started(stream) as consumer:
        await refresh_metadata(consumer)
        known = TopicPartition(stream.prefix + "orders", 0)
        assert leader_of(consumer, known) in {each.nodeId for each in consumer._client.cluster.brokers()}
        assert leader_of(consumer, TopicPartition(stream.prefix + "orders", 99)) is None


async def test_a_member_with_a_fixed_name_leaves_its_group_where_it_forgets_the_name(stream: Stream) -> None:
    async with started(stream, group_id=stream.prefix + "group", group_instance_id="one") as consumer:
        assert consumer._coordinator._group_instance_id == "one"
        leave_group_at_stop(consumer)
        assert consumer._coordinator._group_instance_id is None


PRIVATE_BUT_DOCUMENTED = {"_replace", "_exit"}


def test_no_other_module_touches_what_is_private_elsewhere() -> None:
    found = [
        f"{path.relative_to(WORKERS)}:{node.lineno} {ast.unparse(node)}"
        for path in WORKERS.rglob("*.py")
        if path.name != "internals.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        and not node.attr.isupper()  # librdkafka's names of errors
        and node.attr not in PRIVATE_BUT_DOCUMENTED
    ]
    assert found == []


def test_fetches_are_opened_by_the_two_classes_that_are_replaced() -> None:
    guard_fetches()
    assert {"MemoryRecords", "PartitionRecords"} <= set(Fetcher._proc_fetch_request.__code__.co_names)
    assert fetcher.PartitionRecords is GuardedPartitionRecords
    [original] = GuardedPartitionRecords.__bases__
    assert {"_unpack_records", "_consumer_record"} <= vars(original).keys()
    assert {"_tp", "_records", "_records_iterator", "next_fetch_offset"} <= set(original.__init__.__code__.co_names)
