"""The ingest worker on a real database, its intake played by the test: partitions that rest, and heartbeats that
must outlive the brokers' restarts and another worker's claim.
"""

from typing import Any

import pytest
from aiokafka.errors import KafkaError, NodeNotReadyError

from tests.support.database_deployment import deployed, records
from tests.support.played_intake import (
    ORDERS,
    PLACES,
    SAMPLE,
    PlayedIntake,
    at_once,
    ingest,
    orders,
    paused,
    position,
    running,
    until,
)
from workers.kafka.handling import Partition, PartitionBatch
from workers.store.postgres import LostOwnership
from workers.store.statements import statement


async def test_the_hundredth_dead_letter_in_a_row_is_the_last_record_processed(database_url: str) -> None:
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
            return all(each.watermark is not None for each in found if (each.topic, each.partition) in places)

        await until(lambda: complete(*PLACES))
        intake.ended[ORDERS] = 100
        asked = intake.asked
        await until(lambda: at_once(intake.asked > asked + 1))
        before = await position(deployment)
        await worker.commit(await worker.decode([orders("x" * 100)]))
        asked = intake.asked
        await until(lambda: at_once(intake.asked > asked + 1))
        after = await position(deployment)
        assert (after.next_offset, after.watermark) == (100, before.watermark)
        assert await deployment.pool.fetchval(statement("accept_dead_letters"), *ORDERS, 100) == 100

        async def moved() -> bool:
            return bool((await position(deployment)).watermark > before.watermark)

        await until(moved)
        assert intake.resting == set()


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
            return (await position(deployment)).watermark is not None

        await until(complete)
        assert intake.asked >= 3


async def test_the_heartbeat_claims_a_lost_partition_again(database_url: str) -> None:
    intake = PlayedIntake()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, intake):
        await until(lambda: at_once(intake.asked > 0))
        [taken] = await deployment.store.claim_positions([ORDERS], "another")

        async def moved() -> bool:
            found = await position(deployment)
            return bool(found.epoch > taken.epoch and found.watermark != taken.watermark)

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
        await until(lambda: at_once(intake.asked > asked + 1))
        before, read = await compared(), await position(deployment)
        contents: dict[str, Any] = {"event_id": "e", "case_id": "k", "account_id": "a", "source": "buyer_complaint"}
        contents |= {
            "category": "refusal_of_trade_assurance",
            "outcome": "opened",
            "occurred_at": 1_500_000_000_000_000,
        }
        cases = PartitionBatch("complaints", 0, 0, 1, records("complaints", 0, 0, [contents]))
        assert await worker.commit(await worker.decode([cases])) == {("complaints", 0): 0}
        await until(lambda: at_once(("complaints", 0) not in intake.resting))
        assert await worker.commit(await worker.decode([cases])) == {}

        async def moved() -> bool:
            return bool((await position(deployment)).watermark > read.watermark)

        await until(moved)
        assert await compared() == before
