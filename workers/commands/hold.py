"""`standing hold` and `standing release`: the brake for back-fills and emergencies.

The brake asks the database alone: neither Kafka nor the policies are needed to hold, or to release by force.
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
    """Enforce no deadline until `release`.

    Returns once no transaction can commit any more that read before that deadlines were enforced; names those that
    are still under way after `timeouts.HOLD_SECONDS`.
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
    """Enforce deadlines again; raises CannotRelease until every partition was read to its end."""
    ends = await end_offsets(kafka.access, [kafka.prefix + topic for topic in INPUT_TOPICS])
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
    """Enforce deadlines again, however far the partitions were read."""
    await write_hold(database.pool, None)
