"""`standing hold` and `standing release`: the deadline hold, for backfills and emergencies.

To hold, or to release by force, needs the database alone, neither Kafka nor the policies.
"""

import asyncio

from contracts.topics import INPUT_TOPICS
from workers import timeouts
from workers.kafka.admin import end_offsets
from workers.ops.refused import Refused
from workers.store.deployment import hold as write_hold
from workers.store.deployment import under_way
from workers.wiring import Database, Kafka

_ASK_SECONDS = 0.05


class CannotRelease(Refused):
    """Deadlines cannot be enforced yet."""


async def hold(database: Database, why: str) -> list[str]:
    """Stop deadline enforcement until `release`.

    Returns when every transaction has ended that may have read the state before the hold, or after
    `timeouts.HOLD_SECONDS` with the names of those that have not.
    """
    await write_hold(database.pool, why)
    older = await under_way(database.pool)
    loop = asyncio.get_running_loop()
    limit = loop.time() + timeouts.HOLD_SECONDS
    while left := older.keys() & (await under_way(database.pool)).keys():
        if loop.time() > limit:
            return sorted(f"{older[each]} (pid {each[0]})" for each in left)
        await asyncio.sleep(_ASK_SECONDS)
    return []


async def release(database: Database, kafka: Kafka) -> None:
    """Resume deadline enforcement; raises CannotRelease until every partition is read to its end."""
    ends = await end_offsets(kafka.admin, [kafka.prefix + topic for topic in INPUT_TOPICS])
    behind = [
        f"{each.topic}/{each.partition}"
        for each in await database.store.positions()
        if each.next_offset < ends.get((kafka.prefix + each.topic, each.partition), 0)
    ]
    if behind:
        raise CannotRelease(
            f"not read to the end yet: {', '.join(behind)}; wait (`standing status`), or release with --force"
        )
    await release_by_force(database)


async def release_by_force(database: Database) -> None:
    """Resume deadline enforcement, however far the partitions are read."""
    await write_hold(database.pool, None)
    await database.store.notify_watermark()
