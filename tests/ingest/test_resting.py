"""The ingest worker on a real database, its consumer played by the test: partitions that rest, and heartbeats that
must outlive the brokers' restarts and another worker's claim.
"""

from typing import Any

import pytest
from aiokafka.errors import KafkaError, NodeNotReadyError

from contracts.topics import Partition
from tests.support.database_deployment import deployed, records
from tests.support.played_consumer import (
    ORDERS,
    PLACES,
    SAMPLE,
    PlayedConsumer,
    at_once,
    fetch,
    ingest,
    orders,
    paused,
    position,
    process,
    running,
    until,
)
from workers.store.postgres import LostOwnership
from workers.store.statements import statement

CASES = ("complaints", 0)


async def test_the_hundredth_dead_letter_in_a_row_is_the_last_record_processed(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, consumer := PlayedConsumer())
        await worker.loop.assigned(PLACES)
        await process(worker, fetch(worker, ORDERS, orders(".." + "x" * 150 + "...")))
        assert (await position(deployment)).next_offset == 102
        assert len(await deployment.values("dead_letter")) == 100
        assert await paused(deployment) == [(*ORDERS, "100 dead letters in a row, up to offset 101")]
        assert consumer.paused_places == {ORDERS}
        assert consumer.positions[ORDERS] == 102
        await process(worker, fetch(worker, ORDERS, orders("...", first=102)))  # as if fetched before the pause
        assert consumer.positions[ORDERS] == 102
        successor = ingest(deployment, consumer := PlayedConsumer())
        await successor.loop.assigned(PLACES)
        await process(successor, fetch(successor, ORDERS, orders("...", first=102)))
        assert consumer.paused_places == {ORDERS}
        assert (await position(deployment)).next_offset == 102


async def test_nothing_is_complete_behind_a_pause_until_it_is_accepted(database_url: str) -> None:
    consumer = PlayedConsumer()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, consumer) as worker:

        async def complete(*places: Partition) -> bool:
            found = await deployment.store.positions()
            return all(each.watermark is not None for each in found if (each.topic, each.partition) in places)

        await until(lambda: complete(*PLACES))
        consumer.ended[ORDERS] = 100
        asked = consumer.asked
        await until(lambda: at_once(consumer.asked > asked + 1))
        before = await position(deployment)
        await process(worker, fetch(worker, ORDERS, orders("x" * 100)))
        asked = consumer.asked
        await until(lambda: at_once(consumer.asked > asked + 1))
        after = await position(deployment)
        assert (after.next_offset, after.watermark) == (100, before.watermark)
        assert await deployment.pool.fetchval(statement("accept_dead_letters"), *ORDERS, 100) == 100

        async def moved() -> bool:
            return bool((await position(deployment)).watermark > before.watermark)

        await until(moved)
        assert consumer.paused_places == set()


async def test_a_batch_that_is_rolled_back_pauses_nothing(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, PlayedConsumer())
        await worker.loop.assigned(PLACES)
        batch = fetch(worker, ORDERS, orders("x" * 150))
        await deployment.store.claim_positions([ORDERS], "another")
        with pytest.raises(LostOwnership):
            await process(worker, batch)
        assert await paused(deployment) == []
        await worker.loop.assigned(PLACES)
        await process(worker, fetch(worker, ORDERS, orders("x" * 99 + ".")))
        assert (await position(deployment)).next_offset == 100


async def test_a_clean_partition_stores_no_window(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, PlayedConsumer())
        await worker.loop.assigned(PLACES)
        await process(worker, fetch(worker, ORDERS, orders("..")))
        assert await deployment.store.dead_letter_windows([ORDERS]) == []
        await process(worker, fetch(worker, ORDERS, orders("x", first=2)))
        assert len(await deployment.store.dead_letter_windows([ORDERS])) == 1


async def test_conflicting_duplicates_pause_after_their_batch(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, consumer := PlayedConsumer())
        await worker.loop.assigned(PLACES)
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
        await process(worker, fetch(worker, ("seller-accounts", 0), made))
        assert await paused(deployment) == [("seller-accounts", 0, "100 dead letters in a row, up to offset 100")]
        assert len(await deployment.values("dead_letter")) == 129
        assert consumer.paused_places == {("seller-accounts", 0)}
        [at] = [each for each in await deployment.store.positions() if each[:2] == ("seller-accounts", 0)]
        assert (at.next_offset, at.watermark) == (130, None)


async def test_heartbeats_outlive_brokers_that_restart(database_url: str) -> None:
    consumer = PlayedConsumer(failures=[NodeNotReadyError(), KafkaError()])
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, consumer):

        async def complete() -> bool:
            return (await position(deployment)).watermark is not None

        await until(complete)
        assert consumer.asked >= 3


async def test_the_heartbeat_claims_a_lost_partition_again(database_url: str) -> None:
    consumer = PlayedConsumer()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, consumer):
        await until(lambda: at_once(consumer.asked > 0))
        [taken] = await deployment.store.claim_positions([ORDERS], "another")

        async def moved() -> bool:
            found = await position(deployment)
            return bool(found.epoch == taken.epoch + 1 and found.watermark != taken.watermark)

        await until(moved)


async def test_more_partitions_stop_deadlines_and_nothing_else(database_url: str) -> None:
    consumer = PlayedConsumer()
    async with deployed(database_url, SAMPLE) as deployment, running(deployment, consumer) as worker:

        async def compared() -> Any:
            return await deployment.pool.fetchval("select partitions_compared_until from deployment")

        await until(compared)
        consumer.counts |= {"account-requests": 3}
        asked = consumer.asked
        await until(lambda: at_once(consumer.asked > asked + 1))
        before, read = await compared(), await position(deployment)
        contents: dict[str, Any] = {"event_id": "e", "case_id": "k", "account_id": "a", "source": "buyer_complaint"}
        contents |= {
            "category": "refusal_of_trade_assurance",
            "outcome": "opened",
            "occurred_at": 1_500_000_000_000_000,
        }
        cases = records(*CASES, 0, [contents])
        await process(worker, fetch(worker, CASES, cases))
        assert consumer.positions[CASES] == 0
        await until(lambda: at_once(CASES not in consumer.paused_places))
        await process(worker, fetch(worker, CASES, cases))
        assert worker.processing.owned[CASES].next_offset == 1

        async def moved() -> bool:
            return bool((await position(deployment)).watermark > read.watermark)

        await until(moved)
        assert await compared() == before
