"""The ingest worker on a real database, its consumer played by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from contracts.topics import INPUT_TOPICS, Partition
from tests.support import policies
from tests.support.database_deployment import DatabaseDeployment, policies_of, records
from tests.support.played_positions import PlayedPositions
from workers.codec.decoding import Decoder
from workers.ingest.heartbeat import Present
from workers.ingest.partition import PartitionBatch
from workers.ingest.processing import Processing
from workers.ingest.worker import Ingest
from workers.kafka.consumer_listener import ConsumerListener
from workers.ops.clock import WallClock
from workers.store import channels
from workers.store.listener import Bell, Listener
from workers.store.statements import statement

SAMPLE = policies_of(policies.SAMPLE.read_text())


PLACES = [(topic, number) for topic in INPUT_TOPICS for number in range(2)]


ORDERS = ("order-status", 1)


@dataclass
class PlayedConsumer(PlayedPositions):
    """What the ingest worker asks of Kafka; every partition ends where the test says, and nothing is fetched."""

    ended: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PLACES, 0))
    failures: list[KafkaError] = field(default_factory=list)
    asked: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INPUT_TOPICS, 2))

    async def start(self, listener: ConsumerListener) -> None:
        await listener.assigned(PLACES)

    async def stop(self, owned: int) -> None:
        """Nothing is to be stopped."""

    async def poll(self, most: int, *, patiently: bool) -> Mapping[Partition, Sequence[Any]] | None:
        await asyncio.sleep(0.01)
        return {}

    async def ends(self, read: Mapping[Partition, int]) -> Mapping[Partition, int]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return self.ended

    async def ends_of(self, topic: str) -> Mapping[int, int]:
        return {number: end for (name, number), end in self.ended.items() if name == topic}

    async def partition_counts(self) -> Mapping[str, int]:
        return self.counts

    def decided_until(self, place: Partition) -> int:
        return 0

    def assigned(self) -> Collection[Partition]:
        return PLACES


def ingest(deployment: DatabaseDeployment, consumer: PlayedConsumer) -> Ingest:
    clock, store = WallClock(), deployment.store
    processing = Processing(store, deployment.enforcement, Decoder(SAMPLE, 1 << 20), clock, "test")
    return Ingest(processing, consumer, Present(clock, store, events=False), input_partitions=2)


def fetch(worker: Ingest, place: Partition, made: Sequence[Any]) -> PartitionBatch:
    """A fetch of records that follow what was fetched before."""
    partition = worker.processing.owned[place]
    batch = partition.fetched(partition.fetch_offset, partition.fetch_offset + len(made), made)
    assert batch is not None
    return batch


async def process(worker: Ingest, *batches: PartitionBatch) -> None:
    """One unit of work."""
    await worker.processing.process(await worker.processing.decode(batches))
    worker.loop.align()


class Asking(Bell):
    """Somebody who asks for a heartbeat again and again."""

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        return True


@asynccontextmanager
async def running(deployment: DatabaseDeployment, consumer: PlayedConsumer) -> AsyncIterator[Ingest]:
    """A worker that runs meanwhile; it must not end before."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        worker = ingest(deployment, consumer)
        run = tasks.create_task(worker.run(stop, Asking(Listener(deployment.pool, channels.HEARTBEAT))))
        yield worker
        assert not run.done()
        stop.set()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110  # the worker tells nobody
            await asyncio.sleep(0.02)


def orders(kinds: str, first: int = 0) -> list[Any]:
    """Records of `.` (an order) and `x` (none)."""
    return records(
        ORDERS[0],
        ORDERS[1],
        first,
        [
            {
                "event_id": f"e{first + index}",
                "order_id": f"o{first + index}",
                "account_id": "seller",
                "status": "awaiting_shipment" if kind == "." else "paid",
                "occurred_at": 1_500_000_000_000_000,
            }
            for index, kind in enumerate(kinds)
        ],
    )


async def position(deployment: DatabaseDeployment) -> Any:
    found = {(each.topic, each.partition): each for each in await deployment.store.positions()}
    return found[ORDERS]


async def paused(deployment: DatabaseDeployment) -> Sequence[Any]:
    return [tuple(row) for row in await deployment.pool.fetch(statement("paused_partitions"))]


async def at_once(value: bool) -> bool:
    return value
