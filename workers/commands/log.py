"""`standing log`: lists the parts of the decision log and detaches old ones.

Owns which part may be detached: every shard is past it, and all of it is published.
"""

from workers.checkpoints import published_seqs
from workers.ops.refused import Refused
from workers.rules.calendar import Instant, written
from workers.store.log_parts import LogPart, detach, log_parts
from workers.store.postgres import acquired
from workers.wiring import Database, Kafka


class StillNeeded(Refused):
    """A part of the log cannot be detached."""


async def list_parts(database: Database) -> list[LogPart]:
    """The parts, oldest first."""
    async with acquired(database.pool) as connection:
        return await log_parts(connection)


def in_words(part: LogPart) -> str:
    """One part as a line."""
    newest = "empty" if part.newest is None else f"the newest recorded at {written(part.newest)}"
    return f"{part.name}: rows {part.first_seq} to {part.end_seq - 1} of each shard, {newest}"


async def detach_before(database: Database, kafka: Kafka, before: Instant) -> list[LogPart]:
    """Detach the parts whose rows were all recorded before an instant; raises StillNeeded if one may not be."""
    checkpoints = await published_seqs(kafka.admin, kafka.prefix, range(database.deployment.shards))
    published = min(checkpoints.get(shard, 0) for shard in range(database.deployment.shards))
    async with acquired(database.pool) as connection, connection.transaction():
        old = [each for each in await log_parts(connection) if each.newest is not None and each.newest < before]
        for part in old:
            if part.end_seq - 1 > published:
                raise StillNeeded(
                    f"{part.name} holds rows up to {part.end_seq - 1}, but some shard is published only up to "
                    f"{published}; its newest row was recorded at {written(part.newest or 0)}"
                )
        for part in old:
            await detach(connection, part)
    return old
