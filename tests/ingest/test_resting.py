"""The ingest worker on a real database, its intake played by the test: partitions that rest, and heartbeats that
must outlive the brokers' restarts and another worker's claim.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError, NodeNotReadyError

from contracts.topics import INPUT_TOPICS
from tests.enforcement.deployment import Deployment, deployed, policies_of, records
from workers.codec.decoding import Decoder
from workers.completeness import Present
from workers.ingest import Ingest
from workers.kafka.consumer import Intake
from workers.kafka.handling import Partition, PartitionBatch
from workers.ops.clock import WallClock
from workers.store.postgres import LostOwnership, statement

SAMPLE = policies_of((Path(__file__).parents[2] / "schemas" / "policies" / "2016-02.toml").read_text())
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


def ingest(deployment: Deployment, intake: PlayedIntake) -> Ingest:
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
async def running(deployment: Deployment, intake: PlayedIntake) -> AsyncIterator[Ingest]:
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


async def position(deployment: Deployment) -> Any:
    found = {(each.topic, each.partition): each for each in await deployment.store.positions()}
    return found[ORDERS]


async def paused(deployment: Deployment) -> Sequence[Any]:
    return [tuple(row) for row in await deployment.pool.fetch(statement("paused_partitions"))]


async def test_the_hundredth_bad_record_in_a_row_is_the_last_one_taken_in(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, intake := PlayedIntake())
        await worker.claim(PLACES)
        assert await worker.commit(await worker.decode([orders(".." + "x" * 150 + "...")])) == {ORDERS: 102}
        assert (await position(deployment)).next_offset == 102
        assert len(await deployment.values("dead_letter")) == 100
        assert await paused(deployment) == [(*ORDERS, "100 dead letters in a row, up to offset 101")]
        assert intake.resting == {ORDERS}
        behind = await worker.decode([orders("...", first=102)])  # fetched before the pause
        assert await worker.commit(behind) == {ORDERS: 102}
        successor = ingest(deployment, intake := PlayedIntake())
        await successor.claim(PLACES)
        assert await successor.commit(await successor.decode([orders("...", first=102)])) == {ORDERS: 102}
        assert intake.resting == {ORDERS}
        assert (await position(deployment)).next_offset == 102


async def test_nothing_is_complete_behind_a_pause_until_it_is_accepted(database_url: str) -> None:
    intake = PlayedIntake()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, intake) as worker:

        async def complete(*places: Partition) -> bool:
            found = await deployment.store.positions()
            return all(each.complete_until is not None for each in found if (each.topic, each.partition) in places)

        await until(lambda: complete(*PLACES))
        intake.ended[ORDERS] = 100
        asked = intake.asked
        await until(lambda: _true(intake.asked > asked + 1))
        before = await position(deployment)
        await worker.commit(await worker.decode([orders("x" * 100)]))
        asked = intake.asked
        await until(lambda: _true(intake.asked > asked + 1))
        after = await position(deployment)
        assert (after.next_offset, after.complete_until) == (100, before.complete_until)
        assert await deployment.pool.fetchval(statement("accept_rejects"), *ORDERS, 100) == 100

        async def moved() -> bool:
            return bool((await position(deployment)).complete_until > before.complete_until)

        await until(moved)
        assert intake.resting == set()


async def _true(value: bool) -> bool:
    return value


async def test_a_batch_that_is_rolled_back_pauses_nothing(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, PlayedIntake())
        await worker.claim(PLACES)
        decoded = await worker.decode([orders("x" * 150)])
        await deployment.store.claim_positions([ORDERS], "another")
        with pytest.raises(LostOwnership):
            await worker.commit(decoded)
        assert await paused(deployment) == []
        await worker.claim(PLACES)
        assert await worker.commit(await worker.decode([orders("x" * 99 + ".")])) == {}


async def test_conflicting_duplicates_pause_after_their_batch(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, intake := PlayedIntake())
        await worker.claim(PLACES)
        contents = [
            {
                "event_id": "the same",
                "account_id": "seller",
                "status": "enrolled",
                "company_name": f"Name {number}",
                "occurred_at": 1_500_000_000_000_000,
            }
            for number in range(130)
        ]
        made: list[Any] = records("seller-accounts", 0, 0, contents)
        batch = PartitionBatch("seller-accounts", 0, 0, 130, made)
        assert await worker.commit(await worker.decode([batch])) == {}
        assert await paused(deployment) == [("seller-accounts", 0, "100 dead letters in a row, up to offset 100")]
        assert len(await deployment.values("dead_letter")) == 129
        assert intake.resting == {("seller-accounts", 0)}


async def test_heartbeats_outlive_brokers_that_restart(database_url: str) -> None:
    intake = PlayedIntake(failures=[NodeNotReadyError(), KafkaError()])
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, intake):

        async def complete() -> bool:
            return (await position(deployment)).complete_until is not None

        await until(complete)
        assert intake.asked >= 3


async def test_a_partition_taken_over_is_claimed_anew_by_the_heartbeat(database_url: str) -> None:
    intake = PlayedIntake()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, intake):
        await until(lambda: _true(intake.asked > 0))
        [taken] = await deployment.store.claim_positions([ORDERS], "another")

        async def moved() -> bool:
            found = await position(deployment)
            return bool(found.epoch > taken.epoch and found.complete_until != taken.complete_until)

        await until(moved)
        assert intake.reclaimed == 1


async def test_more_partitions_stop_deadlines_and_nothing_else(database_url: str) -> None:
    intake = PlayedIntake()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, intake) as worker:

        async def compared() -> Any:
            return await deployment.pool.fetchval("select partitions_compared_until from deployment")

        await until(compared)
        intake.counts |= {"account-requests": 3}
        asked = intake.asked
        await until(lambda: _true(intake.asked > asked + 1))
        before, read = await compared(), await position(deployment)
        contents: dict[str, Any] = {"event_id": "e", "case_id": "k", "account_id": "a", "source": "buyer_complaint"}
        contents |= {
            "category": "refusal_of_trade_assurance",
            "outcome": "opened",
            "occurred_at": 1_500_000_000_000_000,
        }
        cases = PartitionBatch("complaints", 0, 0, 1, records("complaints", 0, 0, [contents]))
        assert await worker.commit(await worker.decode([cases])) == {("complaints", 0): 0}
        await until(lambda: _true(("complaints", 0) not in intake.resting))
        assert await worker.commit(await worker.decode([cases])) == {}

        async def moved() -> bool:
            return bool((await position(deployment)).complete_until > read.complete_until)

        await until(moved)
        assert await compared() == before
