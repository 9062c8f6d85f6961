"""`standing dead-letters list / show / accept`: records that could not be processed, from the decision log.

Owns how a partition that is paused by its dead letters resumes.
"""

import json
from typing import Any

from workers.commands.explain import NotFound
from workers.kafka.admin import end_offsets
from workers.ops.refused import Refused
from workers.store.statements import statement
from workers.wiring import Database, Kafka


class NotPaused(Refused):
    """There is nothing to accept."""


async def newest(database: Database, limit: int) -> list[dict[str, Any]]:
    """The newest dead letters, newest first."""
    return [json.loads(row[0]) for row in await database.pool.fetch(statement("dead_letters"), limit)]


async def one(database: Database, place: str) -> str:
    """One dead letter as JSON; raises NotFound."""
    row = await database.pool.fetchrow(statement("dead_letter"), place)
    if row is None:
        raise NotFound(f"no dead letter at {place}: it takes the form TOPIC/PARTITION/OFFSET")
    return json.dumps(json.loads(row[0]), ensure_ascii=False, indent=2)


def as_json(found: list[dict[str, Any]]) -> str:
    """Dead letters as a JSON list."""
    return json.dumps(found, ensure_ascii=False, indent=2)


async def accept(database: Database, kafka: Kafka, topic: str, partition: int, records: int | None) -> str:
    """Resume a paused partition; raises NotPaused. Returns a line for the operator.

    What the partition holds now, or its next `records`, is processed and does not count; later records do.
    """
    place = f"{topic}/{partition}"
    stored = [each for each in await database.store.positions() if (each.topic, each.partition) == (topic, partition)]
    if not stored:
        raise NotPaused(f"there is no partition {place}: give a topic, without the prefix, and a number")
    name = kafka.prefix + topic
    until = (await end_offsets(kafka.admin, [name]))[name, partition]
    if records is not None:
        until = min(until, stored[0].next_offset + records)
    if await database.pool.fetchval(statement("accept_dead_letters"), topic, partition, until) is None:
        raise NotPaused(f"{place} is not paused")
    await database.store.notify_heartbeat()
    number = until - stored[0].next_offset
    return f"{place} resumes: its next {number} records, before offset {until}, do not count as dead letters"
