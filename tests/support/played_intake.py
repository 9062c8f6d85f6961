"""The ingest worker on a real database, its intake played by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka.errors import KafkaError

from contracts.topics import INPUT_TOPICS
from tests.support import policies
from tests.support.database_deployment import DatabaseDeployment, policies_of, records
from workers.codec.decoding import Decoder
from workers.completeness import Present
from workers.ingest.worker import Ingest
from workers.kafka.consumer import Intake
from workers.kafka.handling import Partition, PartitionBatch
from workers.ops.clock import WallClock
from workers.store.statements import statement

SAMPLE = policies_of(policies.SAMPLE.read_text())


PLACES = [(topic, number) for topic in INPUT_TOPICS for number in range(2)]


ORDERS = ("order-status", 1)


@dataclass
class PlayedIntake:
    """What the ingest worker asks of Kafka; every partition ends where the test says."""

    ended: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PLACES, 0))
    failures: list[KafkaError] = field(default_factory=list)
    asked: int = 0
    reclaimed: int = 0
    resting: set[Partition] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INPUT_TOPICS, 2))
    handler: Ingest | None = None

    async def run(self, handler: Ingest, stop: asyncio.Event) -> None:
        self.handler = handler
        await handler.claim(PLACES)
        await stop.wait()

    async def reclaim(self) -> None:
        assert self.handler is not None
        self.reclaimed += 1
        await self.handler.claim(PLACES)

    async def ends(self) -> Mapping[Partition, int]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return self.ended

    async def ends_of(self, topic: str) -> Mapping[int, int]:
        return {number: end for (name, number), end in self.ended.items() if name == topic}

    def decided_until(self, topic: str, partition: int) -> int:
        return 0

    async def partition_counts(self) -> Mapping[str, int]:
        return self.counts

    def pause(self, topic: str, partition: int) -> None:
        self.resting.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        self.resting.discard((topic, partition))


def ingest(deployment: DatabaseDeployment, intake: PlayedIntake) -> Ingest:
    clock = WallClock()
    return Ingest(
        store=deployment.store,
        enforcement=deployment.enforcement,
        decoder=Decoder(SAMPLE, 1 << 20),
        intake=cast("Intake", intake),
        clock=clock,
        present=Present(clock, deployment.store, events=False),
        owner="test",
        input_partitions=2,
    )


@asynccontextmanager
async def running(deployment: DatabaseDeployment, intake: PlayedIntake) -> AsyncIterator[Ingest]:
    """A worker that runs meanwhile; it must not end before."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        worker = ingest(deployment, intake)
        run = tasks.create_task(worker.run(stop))
        yield worker
        assert not run.done()
        stop.set()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110  # the worker tells nobody
            await asyncio.sleep(0.02)


def orders(kinds: str, first: int = 0) -> PartitionBatch:
    """A fetch of `.` (an order) and `x` (none)."""
    made: list[Any] = records(
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
    return PartitionBatch(*ORDERS, first, first + len(kinds), made)


async def position(deployment: DatabaseDeployment) -> Any:
    found = {(each.topic, each.partition): each for each in await deployment.store.positions()}
    return found[ORDERS]


async def paused(deployment: DatabaseDeployment) -> Sequence[Any]:
    return [tuple(row) for row in await deployment.pool.fetch(statement("paused_partitions"))]


async def at_once(value: bool) -> bool:
    return value
