"""Positions, the progress made of them, and the dead letters counted beside them: alike in both stores."""

import asyncio
from typing import Any

import pytest

from tests.store.sides import PLACES, InPostgres, Side, in_one
from workers.enforcement.position_moves import Move
from workers.store.postgres import LostOwnership, Store
from workers.store.records import AccountRow, Changes, DeadLetterWindowRow, Position, Progress

ORDERS, OTHER = ("order-status", 0), ("order-status", 1)
REQUESTS = "account-requests"


def move(place: tuple[str, int] = ORDERS, begin: int = 0, end: int = 5, epoch: int = 1, **more: Any) -> Move:
    """A batch that was fetched by the first owner."""
    after = Position(*place, end, epoch, more.get("complete"), more.get("latest"))
    return Move(Position(*place, begin, epoch, None, None), after)


async def take(transaction: Any, *moves: Move) -> None:
    """Lock positions and write them."""
    await transaction.lock_positions([each.before for each in moves])
    await transaction.write(Changes(positions=[each.after for each in moves]))


async def moved(side: Side, *moves: Move) -> None:
    """The same in a transaction of its own."""
    async with side.store.transaction() as transaction:
        await take(transaction, *moves)


async def test_each_claim_increases_the_epoch_and_returns_the_next_offset(side: Side) -> None:
    assert sorted(await side.store.claim_positions([OTHER, ORDERS], "one")) == [
        Position(*ORDERS, 0, 1, None, None),
        Position(*OTHER, 0, 1, None, None),
    ]
    await moved(side, move(complete=30, latest=40))
    assert await side.store.claim_positions([ORDERS], "two") == [Position(*ORDERS, 5, 2, 30, 40)]
    stored = {each[:2]: each[2:] for each in await side.store.positions()}
    assert sorted(stored) == sorted(PLACES)
    assert {stored.pop(ORDERS), stored.pop(OTHER)} == {(5, 2, 30, 40), (0, 1, None, None)}
    assert set(stored.values()) == {(0, 0, None, None)}


async def test_a_partition_that_is_unknown_is_not_claimed(side: Side) -> None:
    assert await side.store.claim_positions([("order-status", 9), ORDERS], "one") == [
        Position(*ORDERS, 0, 1, None, None)
    ]
    assert await side.store.claim_positions([], "one") == []


async def test_watermark_and_latest_instant_never_go_back(side: Side) -> None:
    await side.store.claim_positions([ORDERS], "one")
    await moved(side, move(complete=30, latest=40))
    await moved(side, move(begin=5, end=7, complete=20, latest=50))
    await moved(side, move(begin=7, end=7))
    assert Position(*ORDERS, 7, 1, 30, 50) in await side.store.positions()


@pytest.mark.parametrize(
    "stale",
    [
        move(OTHER, begin=1, end=2),
        move(OTHER, epoch=0),
        move(OTHER, epoch=2),
        move(("order-status", 9)),
    ],
    ids=["another offset", "an older epoch", "an epoch to come", "an unknown partition"],
)
async def test_a_worker_that_does_not_own_every_position_writes_nothing(side: Side, stale: Move) -> None:
    await side.store.claim_positions(PLACES, "one")
    await side.store.insert_accounts(["a"])
    before = await side.tables()

    async def commit() -> None:
        async with side.store.transaction() as transaction:
            windows = [DeadLetterWindowRow(*ORDERS, 1, "[]", 0, None)]
            await transaction.lock_accounts(["a"])
            await transaction.write(Changes(accounts=[AccountRow("a", "active")], windows=windows))
            await take(transaction, move(), stale)

    with pytest.raises(LostOwnership, match=f"{stale.after.topic}/{stale.after.partition}"):
        await commit()
    assert await side.tables() == before


async def test_of_two_workers_that_read_the_same_the_second_waits_and_has_lost_ownership(side: Side) -> None:
    await side.store.claim_positions([ORDERS], "one")
    async with side.store.transaction() as first:
        await take(first, move(end=3))
        second = asyncio.create_task(moved(side, move(end=5)))
        await side.waits(second)
    with pytest.raises(LostOwnership):
        await second
    assert Position(*ORDERS, 3, 1, None, None) in await side.store.positions()


async def test_a_worker_that_started_with_another_deployment_writes_nothing(in_postgres: InPostgres) -> None:
    await in_postgres.store.claim_positions([ORDERS], "one")
    before = await in_postgres.tables()
    former = Store(in_postgres.store.pool, "the fingerprint of another")
    with pytest.raises(LostOwnership, match="order-status/0, or the deployment changed"):
        async with former.transaction() as transaction:
            await take(transaction, move())
    with pytest.raises(LostOwnership, match="the deployment is not the one"):
        async with former.transaction() as transaction:
            await transaction.progress()
    assert await in_postgres.tables() == before


async def test_a_worker_that_is_ahead_of_the_committed_position_has_lost_ownership_without_waiting(
    side: Side,
) -> None:
    await side.store.claim_positions([ORDERS], "one")
    async with side.store.transaction() as first:
        await take(first, move())
        with pytest.raises(LostOwnership):
            async with asyncio.timeout(5):
                await moved(side, move(begin=5, end=6))


async def test_a_claim_waits_for_the_batch_under_way_and_reads_on_behind_it(side: Side) -> None:
    await side.store.claim_positions(PLACES, "one")
    async with side.store.transaction() as first:
        await take(first, move())
        claim = asyncio.create_task(side.store.claim_positions([ORDERS], "two"))
        await side.waits(claim)
    assert await claim == [Position(*ORDERS, 5, 2, None, None)]
    with pytest.raises(LostOwnership):
        await moved(side, move(begin=5, end=6))


async def test_of_two_concurrent_claims_the_second_one_owns(side: Side) -> None:
    await asyncio.gather(side.store.claim_positions(PLACES, "one"), side.store.claim_positions(PLACES[::-1], "two"))
    assert {each.epoch for each in await side.store.positions()} == {2}


async def test_progress_is_known_once_all_partitions_but_those_of_requests_were_read(side: Side) -> None:
    await side.store.claim_positions(PLACES, "one")
    bearing = [place for place in PLACES if place[0] != REQUESTS]
    assert await in_one(side, "progress") == Progress(None, None, None, None)
    moves = [move(place, complete=100 - index) for index, place in enumerate(bearing)]
    await moved(side, *moves[:-1])
    await moved(side, move((REQUESTS, 1), complete=1, latest=400))
    assert await in_one(side, "progress") == Progress(None, None, 400, None)
    async with side.store.transaction() as transaction:
        await transaction.lock_positions([moves[-1].before])
        assert await transaction.progress([moves[-1].after]) == Progress(100 - len(bearing) + 1, None, 400, None), (
            "its own moves"
        )
        assert await in_one(side, "progress") == Progress(None, None, 400, None), "those of another"
        await transaction.write(Changes(positions=[moves[-1].after]))
    await side.store.compared_partitions(90)
    await side.store.compared_partitions(80)
    found = await in_one(side, "progress")
    assert found == Progress(100 - len(bearing) + 1, 90, 400, None)
    assert found.watermark(7) == 83


async def test_counts_of_dead_letters_are_replaced_and_given_for_the_partitions_asked_for(side: Side) -> None:
    first, later = (
        DeadLetterWindowRow(*ORDERS, 7, "[1]", 0, None),
        DeadLetterWindowRow(*ORDERS, 9, "[1,8]", 4, "too many"),
    )
    other = DeadLetterWindowRow(*OTHER, 1, "[]", 0, None)
    await in_one(side, "write", Changes(windows=[first, other]))
    await in_one(side, "write", Changes(windows=[later]))
    await in_one(side, "write", Changes(windows=[]))
    assert await side.store.dead_letter_windows([ORDERS, ("complaints", 0)]) == [later]
    assert sorted(await side.store.dead_letter_windows([OTHER, ORDERS])) == [later, other]


async def test_a_waiter_for_the_watermark_is_woken(side: Side) -> None:
    await side.store.claim_positions([ORDERS], "one")
    await moved(side, move(complete=1))
    await side.store.notify_watermark()
    await side.wakes("standing_watermark")
