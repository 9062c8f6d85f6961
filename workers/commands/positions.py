"""`standing position`: sets the offset from which a partition is read, after an operator decided what is lost.

The invariant: no ingest worker runs meanwhile, and a position stays within what the topic holds.
"""

from collections.abc import Mapping
from typing import Any

from contracts.topics import Partition
from workers.kafka.admin import existing
from workers.ops.refused import Refused
from workers.store.postgres import acquired
from workers.store.statements import statement
from workers.wiring import Database, Kafka


class PositionRefused(Refused):
    """The position cannot be set."""


async def set_position(database: Database, kafka: Kafka, topic: str, partition: int, offset: int) -> list[str]:
    """Read one partition from an offset; returns a line for each change."""
    starts, ends = await _bounds(database, kafka, topic)
    place = (topic, partition)
    if place not in starts:
        raise PositionRefused(f"{topic} has no partition {partition}")
    if not starts[place] <= offset <= ends[place]:
        raise PositionRefused(f"{topic}/{partition} holds offsets {starts[place]} to {ends[place]}, not {offset}")
    return await _move(database, {place: offset})


async def set_to_start(database: Database, kafka: Kafka, topic: str, *, new_topic: bool = False) -> list[str]:
    """Read every partition of a topic, or of a `new_topic` that was deleted and recreated, from its first record."""
    starts, _ = await _bounds(database, kafka, topic)
    name = kafka.prefix + topic
    state = (await existing(kafka.admin, [name]))[name]
    known = database.deployment.topic_ids.get(topic, state.topic_id)
    if new_topic != (state.topic_id != known):
        why = "was deleted and recreated: use --new-topic" if not new_topic else "is the one that was set up"
        raise PositionRefused(f"the topic {topic} {why}")
    return await _move(database, starts, {topic: state.topic_id} if new_topic else {})


async def _bounds(
    database: Database, kafka: Kafka, topic: str
) -> tuple[Mapping[Partition, int], Mapping[Partition, int]]:
    """The first offset and the end of each partition that was set up; names without the prefix."""
    known = [each for each in await database.store.positions() if each.topic == topic]
    if not known:
        raise PositionRefused(f"{topic} is no input topic")
    name = kafka.prefix + topic
    state = (await existing(kafka.admin, [name]))[name]
    places = [(name, each.partition) for each in known if each.partition < state.partitions]
    starts, ends = await kafka.admin.start_offsets(places), await kafka.admin.end_offsets(places)
    return (
        {(topic, number): offset for (_, number), offset in starts.items()},
        {(topic, number): offset for (_, number), offset in ends.items()},
    )


async def _move(
    database: Database, wanted: Mapping[Partition, int], new_ids: Mapping[str, str] | None = None
) -> list[str]:
    done = []
    async with acquired(database.pool) as connection, connection.transaction():
        await _nobody_reads(connection)
        for (topic, partition), offset in sorted(wanted.items()):
            before = await connection.fetchval(statement("set_position"), topic, partition, offset)
            done.append(f"{topic}/{partition} is read from offset {offset}; before: {before}")
        for topic, topic_id in (new_ids or {}).items():
            await connection.execute(statement("adopt_topic"), topic, topic_id)
            done.append(f"{topic} now is the topic with the id {topic_id}")
    return done


async def _nobody_reads(connection: Any) -> None:
    """Refuse while an ingest worker runs, which would not notice; one that starts waits for this transaction."""
    await connection.execute(statement("keep_positions"))
    at_work = [row[0] for row in await connection.fetch(statement("ingest_sessions"))]
    if at_work:
        raise PositionRefused(f"stop every ingest worker first; running: {', '.join(at_work)}")
