"""Two whole deployments on one database and one Kafka, and a rolling restart of both under load.

Each fact of the load leads to one decision. The time from the producer to a reader of committed decisions is measured
and printed for the documents, not asserted.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.faults.deployment import STOP_SECONDS, FaultyDeployment
from tests.support.endpoints import ask, free_ports
from tests.support.facts import enrolled
from tests.support.forked import Forked, ended
from tests.support.long import long
from workers.devservers.stack import LocalServers

ENROLLED = "2016-03-01 10:00"
EVERY_SECONDS = 0.01
INGEST = 4
"""The port of the only ingest worker of a tree, counted from the supervisor's."""


@dataclass
class Tree:
    """One `standing work`, as a machine runs it; ready when it and its ingest worker say so."""

    process: Forked | None = None

    async def start(self, deployment: FaultyDeployment) -> None:
        """Start it and wait until it is ready."""
        port = free_ports(INGEST + 1)
        more = {"STANDING_INGESTS": "1", "STANDING_METRICS_PORT": str(port)}
        with (deployment.directory / "trees.output").open("a") as output:
            self.process = Forked(("work",), env=os.environ | deployment.workers | more, stderr=output)
        await deployment.observed(lambda: {ask(port + each, "/ready")[0] for each in (0, INGEST)} == {200})

    async def stop(self) -> None:
        """End it as a service manager does, where it was started."""
        if self.process is not None:
            self.process.terminate()
            assert await asyncio.wait_for(ended(self.process), STOP_SECONDS) == 0
            self.process = None


@dataclass
class Stream:
    """Enrolments, one every few milliseconds, and when each was sent and its decision read."""

    deployment: FaultyDeployment
    sent: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)

    async def send(self, stop: asyncio.Event) -> None:
        producer = Producer({"bootstrap.servers": self.deployment.bootstrap, "linger.ms": 0})
        while not stop.is_set():
            account = f"seller-{len(self.sent):06}"
            topic, key, value = enrolled(account, ENROLLED, company=account)
            self.sent[account] = time.monotonic()
            producer.produce(self.deployment.prefix + topic, json.dumps(value).encode(), key)
            producer.poll(0)
            await asyncio.sleep(EVERY_SECONDS)
        await asyncio.to_thread(producer.flush, 30)

    def read_one(self, consumer: Consumer) -> None:
        message = consumer.poll(0.1)
        if message is not None:
            assert message.error() is None, message.error()
            self.read.setdefault(json.loads(message.value() or b"")["account_id"], time.monotonic())

    async def receive(self) -> None:
        committed = {"isolation.level": "read_committed", "enable.auto.commit": False}
        consumer = Consumer({"bootstrap.servers": self.deployment.bootstrap, "group.id": "reader"} | committed)
        topic = f"{self.deployment.prefix}restorations"
        consumer.assign([TopicPartition(topic, number, 0) for number in range(2)])
        while True:
            await asyncio.to_thread(self.read_one, consumer)

    def took(self, began: float, ended: float) -> list[float]:
        """Seconds that the facts sent between two instants took, in order."""
        return sorted(self.read[each] - sent for each, sent in self.sent.items() if began <= sent < ended)

    async def more(self, count: int) -> None:
        """Wait until so many more were read."""
        enough = len(self.read) + count
        await self.deployment.observed(lambda: len(self.read) >= enough)


@asynccontextmanager
async def streaming(deployment: FaultyDeployment) -> AsyncIterator[Stream]:
    """The load while the block runs; at its end all that was sent was read."""
    stream, stop = Stream(deployment), asyncio.Event()
    sending, receiving = asyncio.create_task(stream.send(stop)), asyncio.create_task(stream.receive())
    try:
        yield stream
        stop.set()
        await sending
        await deployment.observed(lambda: stream.read.keys() == stream.sent.keys() or receiving.done())
    finally:
        stop.set()
        receiving.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)


def said(name: str, took: list[float]) -> str:
    p50, p99 = (statistics.quantiles(took, n=100)[each - 1] for each in (50, 99))
    return f"{name}: {len(took)} decisions, p50 {p50:.2f} s, p99 {p99:.2f} s, at most {took[-1]:.2f} s"


async def restart(trees: list[Tree], deployment: FaultyDeployment) -> None:
    """Each whole deployment in turn; the next when the former is ready."""
    for tree in trees:
        await tree.stop()
        await tree.start(deployment)


@long
async def test_two_deployments_of_one_database_are_restarted_in_turn_under_load(servers: LocalServers) -> None:
    async with FaultyDeployment.made(servers.bootstrap, servers.postgres, "rolling") as deployment:
        trees = [Tree(), Tree()]
        try:
            for tree in trees:
                await tree.start(deployment)
            async with streaming(deployment) as stream:
                await stream.more(300)
                began = time.monotonic()
                await stream.more(1000)
                restarted = time.monotonic()
                await restart(trees, deployment)
                ended = time.monotonic()
                await stream.more(300)
            await deployment.processed(len(stream.sent), f"{ENROLLED}+08")
            await deployment.published()
        finally:
            for tree in trees:
                await tree.stop()
        _, verdict = await deployment.at_rest()
    print(said("two deployments at work", stream.took(began, restarted)))
    print(said(f"both restarted in turn, within {ended - restarted:.0f} s", stream.took(restarted, ended)))
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    assert verdict.figures["decisions"] == len(stream.sent)
