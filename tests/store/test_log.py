"""The decision log: without gaps in each shard however many append, and read as it was written, in both stores."""

import asyncio
from uuid import UUID

import pytest

from tests.store.sides import Side
from tests.support.database_deployment import SHARDS
from workers.store.records import LogRow, ShardHead

DECISION = str(UUID(int=7))


def row(shard: int, seq: int, name: str = "") -> LogRow:
    """A decision, or beginning with the fourth of a shard a dead letter without any."""
    hashed = f"{name}{shard}/{seq}".encode()
    if seq > 3:
        return LogRow(shard, seq, hashed, "dead-letters", None, "{}", b"\0", None, "t/0/1", "dead_letter", None, -5)
    return LogRow(shard, seq, hashed, "decisions", b"k", '{"a":"ä"}', b"v", DECISION, "s", "suspended", 5, 6)


async def append(side: Side, shards: list[int], count: int = 1, name: str = "") -> list[ShardHead]:
    """Append to shards behind their heads; returns the heads that were taken."""
    async with side.store.transaction() as transaction:
        heads = await transaction.lock_shards(shards)
        rows = [row(head.shard, head.next_seq + index, name) for head in heads for index in range(count)]
        after = [
            ShardHead(head.shard, head.next_seq + count, row(head.shard, head.next_seq + count - 1, name).hash)
            for head in heads
        ]
        await transaction.append(rows, after)
    return heads


async def test_rows_are_read_as_they_were_appended_in_the_order_of_their_shard(side: Side) -> None:
    assert await append(side, [2, 0], 3) == [ShardHead(0, 1, b""), ShardHead(2, 1, b"")]
    assert await append(side, [2], 2) == [ShardHead(2, 4, b"2/3")]
    assert await side.store.read_log(0, 0, 100) == [row(0, seq) for seq in (1, 2, 3)]
    assert await side.store.read_log(1, 0, 100) == []
    assert await side.store.read_log(2, 0, 100) == [row(2, seq) for seq in (1, 2, 3, 4, 5)]
    assert await side.store.read_log(2, 2, 2) == [row(2, 3), row(2, 4)]
    assert await side.store.read_log(2, 5, 2) == []
    found = [await side.store.log_row_hash(2, seq) for seq in (0, 1, 5, 6)]
    assert found == [None, b"2/1", b"2/5", None]


async def test_no_row_is_read_behind_as_many_bytes_as_are_wanted_but_always_one(side: Side) -> None:
    rows = [row(1, 1), row(1, 2)._replace(value=b"seven b"), row(1, 3), row(1, 4)]
    async with side.store.transaction() as transaction:
        await transaction.lock_shards([1])
        await transaction.append(rows, [ShardHead(1, 5, b"1/4")])
    for most_bytes, last in ((1, 1), (2, 2), (8, 2), (9, 3), (10, 4), (99, 4)):
        assert await side.store.read_log(1, 0, 100, most_bytes) == rows[:last], most_bytes
    assert await side.store.read_log(1, 1, 100, 1) == rows[1:2]
    assert await side.store.read_log(1, 1, 2, 99) == rows[1:3]


async def test_an_append_to_a_locked_shard_waits_and_continues_behind_it(side: Side) -> None:
    async with side.store.transaction() as first:
        head = (await first.lock_shards([1]))[0]
        second = asyncio.create_task(append(side, [0, 1], name="second "))
        await side.waits(second)
        await append(side, [2])
        await first.append([row(1, head.next_seq)], [ShardHead(1, 2, b"1/1")])
    assert await second == [ShardHead(0, 1, b""), ShardHead(1, 2, b"1/1")]
    assert await side.store.read_log(1, 0, 9) == [row(1, 1), row(1, 2, "second ")]


async def test_the_log_has_no_gap_when_many_append_concurrently_and_fail(side: Side) -> None:
    async def fail(shards: list[int]) -> None:
        async with side.store.transaction() as transaction:
            heads = await transaction.lock_shards(shards)
            await transaction.append(
                [row(head.shard, head.next_seq, "failed ") for head in heads],
                [ShardHead(head.shard, head.next_seq + 1, b"failed") for head in heads],
            )
            raise ZeroDivisionError

    orders = [[0, 1, 2], [2, 1], [1], [0, 2]] * 3
    work = [make for order in orders for make in (append(side, order, 2), fail(order))]
    done = await asyncio.gather(*work, return_exceptions=True)
    assert [type(each) for each in done if not isinstance(each, list)] == [ZeroDivisionError] * len(orders)
    for shard in range(SHARDS):
        count = 2 * sum(shard in order for order in orders)
        assert await side.store.read_log(shard, 0, 1000) == [row(shard, seq + 1) for seq in range(count)]
    assert [head[1] for head in (await side.tables())["shards"]] == [13, 19, 19]


async def test_a_number_is_never_given_twice(side: Side) -> None:
    await append(side, [0])
    with pytest.raises(Exception, match=r"decision_log|row 1 of shard 0"):
        async with side.store.transaction() as transaction:
            await transaction.append([row(0, 1)], [ShardHead(0, 2, b"")])
    assert await side.store.read_log(0, 0, 9) == [row(0, 1)]


async def test_a_waiter_for_the_log_is_woken(side: Side) -> None:
    await append(side, [0])
    await side.wakes("standing_log")
