"""A partition whose fetches fail is named, tried again after pauses, and continues when the error is gone."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition as Place
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest

from tests.support.broker import numbered
from tests.support.logged import logged
from tests.support.stored import Positions, Worker
from tests.support.streams import Stream, running, until
from workers.kafka.fetch_errors import error_name
from workers.kafka.internals import TaskEnded
from workers.ops.health import Vitals
from workers.ops.metrics import Measured

NO_ERROR, CORRUPT, STORAGE, UNKNOWN_SERVER = 0, 2, 56, -1


class Broken:
    """What the broker answers for one partition; `fetches` counts the requests that asked for it."""

    def __init__(self, topic: str, partition: int) -> None:
        self.place = (topic, partition)
        self.code = NO_ERROR
        self.whole = NO_ERROR
        self.fetches = 0

    def wrap(self, send: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(client: AIOKafkaClient, node: Any, request: Any, **more: Any) -> Any:
            response = await send(client, node, request, **more)
            if isinstance(request, FetchRequest):
                self.fetches += any(self.place == (topic, each[0]) for topic, some in request.topics for each in some)
                if self.whole:
                    response.error_code, response.topics = self.whole, []
                response.topics = [
                    (topic, [self._answer(topic, *each) for each in some]) for topic, some in response.topics
                ]
            return response

        return answer

    def _answer(self, topic: str, partition: int, code: int, *more: Any) -> tuple[Any, ...]:
        if not self.code or self.place != (topic, partition):
            return (partition, code, *more)
        return (partition, self.code, *more[:-1], b"")


@pytest.fixture
def broken(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Broken:
    found = Broken(stream.prefix + "orders", 0)
    monkeypatch.setattr(AIOKafkaClient, "send", found.wrap(AIOKafkaClient.send))
    return found


@pytest.mark.parametrize("code", [CORRUPT, STORAGE, UNKNOWN_SERVER])
async def test_a_partition_whose_fetches_fail_is_halted_and_recovers_by_itself(
    stream: Stream, broken: Broken, code: int
) -> None:
    stream.produce(numbered(0, 50))
    broken.code = code
    vitals = Vitals(metrics=(metrics := Measured("ingest")))
    reading = stream.reading(vitals=vitals)
    with logged() as lines:
        async with running(reading, Worker(positions := Positions())):
            await until(lambda: reading.halted_by == {("orders", 0): error_name(code)})
            assert vitals.unready() == [f"without orders/0, which is halted: {error_name(code)}"]
            stream.produce(numbered(0, 10), partition=1)
            await positions.until({("orders", 1): 10})
            reading.block(("orders", 0))
            reading.unblock(("orders", 0))
            assert Place(stream.prefix + "orders", 0) in reading.consumer.client.paused()
            broken.code = NO_ERROR
            await positions.until({("orders", 0): 50})
            assert reading.halted == []
            assert vitals.unready() == []
    assert [line["error"] for line in lines if line["level"] == "error"] == [error_name(code)]
    labels = f'error="{error_name(code)}",partition="0",topic="orders"'
    [counted] = re.findall(rf"standing_fetch_errors_total{{{labels}}} (\S+)", b"".join(metrics.rendered()).decode())
    assert 0 < float(counted) < broken.fetches


async def test_a_partition_that_fails_for_long_is_seldom_fetched(stream: Stream, broken: Broken) -> None:
    broken.code = CORRUPT
    reading = stream.reading()
    async with running(reading, Worker(Positions())):
        await until(lambda: len(reading.halted) == 1)
        await asyncio.sleep(3)  # nothing but time shows how often it is asked
        assert broken.fetches <= 6


async def test_an_error_of_a_whole_fetch_is_reported_for_each_partition(stream: Stream, broken: Broken) -> None:
    broken.whole = 71
    reading = stream.reading()
    async with running(reading, Worker(Positions())):
        await until(lambda: set(reading.halted_by.values()) == {"INVALID_FETCH_SESSION_EPOCH"})
        broken.whole = NO_ERROR
        await until(lambda: reading.halted == [])


@pytest.mark.parametrize("ends", [ValueError("a defect"), None])
async def test_a_fetch_task_that_ends_ends_the_worker(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, ends: Exception | None
) -> None:
    reading = stream.reading()
    worker = Worker(Positions())
    ending = asyncio.create_task(reading.run(worker, asyncio.Event()))
    await until(lambda: bool(worker.claims))

    def fail(*_: object) -> None:
        raise ends or asyncio.CancelledError  # which aiokafka takes for the end

    monkeypatch.setattr(Fetcher, "_get_actions_per_node", fail)
    with pytest.raises(TaskEnded, match="fetches ended: " + ("without an error" if ends is None else "ValueError")):
        await asyncio.wait_for(ending, 20)


async def test_the_end_of_any_task_of_the_client_ends_the_worker(stream: Stream) -> None:
    for name in ("_coordinator._coordination_task", "_client._sync_task"):
        reading = stream.reading()
        worker = Worker(Positions())
        ending = asyncio.create_task(reading.run(worker, asyncio.Event()))
        await until(lambda worker=worker: bool(worker.claims))  # type: ignore[misc]
        owner, task = name.split(".")
        getattr(getattr(reading.consumer.client, owner), task).cancel()
        with pytest.raises(TaskEnded):
            await asyncio.wait_for(ending, 20)


def test_errors_have_the_names_that_kafka_gives_them() -> None:
    found = {code: error_name(code) for code in (-1, 1, 2, 3, 6, 29, 56, 74, 78, 100, 999)}
    assert found == {
        -1: "UNKNOWN_SERVER_ERROR",
        1: "OFFSET_OUT_OF_RANGE",
        2: "CORRUPT_MESSAGE",
        3: "UNKNOWN_TOPIC_OR_PARTITION",
        6: "NOT_LEADER_OR_FOLLOWER",
        29: "TOPIC_AUTHORIZATION_FAILED",
        56: "KAFKA_STORAGE_ERROR",
        74: "FENCED_LEADER_EPOCH",
        78: "OFFSET_NOT_AVAILABLE",
        100: "UNKNOWN_TOPIC_ID",
        999: "ERROR_999",
    }
