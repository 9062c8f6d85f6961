"""Puts back what Kafka lost of what was published, from the decision log: relay checkpoints and output topics.

For a database that has all that was published; of one that lacks some of it nothing is put back. Every relay is
fenced before anything is read, and the topics count as those that were set up only once all is done. The invariant:
each row is in its topic once, and in the order of its shard.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.topics import OUTPUT_TOPICS
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint, CheckpointLost, compare_checkpoints, holding
from workers.codec.messages import ce_id
from workers.commands.setup import WRITTEN, note_topics, topic_specs
from workers.kafka.admin import ensure_topics
from workers.kafka.transactional_producer import TransactionalProducer
from workers.kafka.whole_topics import WholeTopics
from workers.ops.progress import Bars
from workers.ops.refused import Refused
from workers.relay import checkpoint_message, fence, message, shard_producer
from workers.settings import Settings
from workers.store.postgres import READ_BYTES
from workers.store.records import LogRow
from workers.store.statements import statement

CHUNK = 500


class CannotRestore(Refused):
    """What was lost cannot be put back as things are; says what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back."""

    checkpoints: int
    topics: Sequence[str]
    messages: int

    def in_words(self) -> list[str]:
        """What was done, and what comes next, for the operator."""
        words = [f"{self.checkpoints} checkpoints were found again in what was published"] if self.checkpoints else []
        if self.topics:
            words.append(f"{', '.join(self.topics)}: {self.messages:,} messages are published there again")
            words.append("their subscribers read them from the start, as they would a new topic")
        return [*words, "now start the workers: standing work"]


async def restore(settings: Settings, connection: Any, lost: Sequence[str], progress: Bars) -> Restored:
    """Put back the checkpoints that are missing or unreadable, and the output topics among those that were lost.

    Raises CannotRestore, CheckpointLost or SetBack; then nothing was published.
    """
    prefix = settings.topic_prefix
    topics = [topic for topic in OUTPUT_TOPICS if topic in lost]
    full = await holding(settings.kafka, [prefix + topic for topic in topics])
    if full:
        raise CannotRestore(
            f"{', '.join(full)}: recreated, and already holds messages: delete it, and run this again"
        )
    names = {prefix + topic for topic in (*topics, CHECKPOINTS_TOPIC)}
    await ensure_topics(settings.kafka, [spec for spec in topic_specs(settings) if spec.name in names])
    incarnation = await connection.fetchval(statement("incarnation"))
    ends: dict[int, int] = dict(await connection.fetch(statement("shard_ends")))
    async with _producers(settings, ends) as producers:
        checkpoints: dict[int, Checkpoint] = {}
        for shard, producer in producers.items():
            value = await fence(producer, prefix, shard)
            try:
                checkpoints |= {} if value is None else {shard: Checkpoint.decode(shard, value)}
            except CheckpointLost:
                continue  # it is found again with those that are missing
        await compare_checkpoints(connection, checkpoints)
        missing = ends.keys() - checkpoints.keys()
        if missing:
            found = await _find_checkpoints(settings, connection, incarnation, ends, progress)
            for shard in sorted(missing):
                checkpoints[shard] = found[shard]
                await producers[shard].publish([checkpoint_message(prefix, shard, found[shard])])
        messages = 0
        for shard, producer in producers.items() if topics else ():
            async for rows in _rows(connection, shard, checkpoints[shard].seq, topics):
                await producer.publish([message(prefix, settings.partitions, row) for row in rows])
                messages += len(rows)
    await note_topics(settings, connection, WRITTEN)
    return Restored(len(missing), topics, messages)


@asynccontextmanager
async def _producers(
    settings: Settings, shards: Mapping[int, int]
) -> AsyncIterator[dict[int, TransactionalProducer]]:
    producers = {shard: shard_producer(settings.kafka, settings.topic_prefix, shard) for shard in shards}
    try:
        yield producers
    finally:
        for each in producers.values():
            await each.close()


async def _find_checkpoints(
    settings: Settings, connection: Any, incarnation: UUID, ends: Mapping[int, int], progress: Bars
) -> dict[int, Checkpoint]:
    """The last row of each shard that is in the output topics; raises CheckpointLost where others are in them."""
    published = _published(settings, progress)
    last: dict[int, tuple[int, int]] = {}
    for shard, end in ends.items():
        for seq in range(end, 0, -1):
            value = published.pop(ce_id(incarnation, shard, seq), None)
            if value is not None:
                last.setdefault(shard, (seq, value))
    if published:
        raise CheckpointLost(
            f"{len(published):,} published messages are not in this database's log: it was set back or replaced, "
            "and without the checkpoints it cannot be restored from them; begin with new output topics (see "
            "`Rebuilding from the topics` in docs/operations.md)"
        )
    checkpoints = {}
    for shard in ends:
        seq, value = last.get(shard, (0, 0))
        checkpoints[shard] = Checkpoint(0, b"", incarnation)
        if seq:
            [row] = [LogRow(*each) for each in await connection.fetch(_READ_LOG, shard, seq - 1, 1, READ_BYTES)]
            if hash(row.value) != value:
                raise CheckpointLost(f"shard {shard}: row {seq} was published with another content than the log has")
            checkpoints[shard] = Checkpoint(seq, row.hash, incarnation)
    return checkpoints


_READ_LOG = statement("read_log")


def _published(settings: Settings, progress: Bars) -> dict[str, int]:
    """Every message of the output topics: a hash of its value by its `ce_id`."""
    topics = [settings.topic_prefix + topic for topic in OUTPUT_TOPICS]
    outputs = WholeTopics(settings.kafka, settings.group, topics, with_headers=True)
    task = progress.add_task("published", total=outputs.total)
    found = {}
    for chunk in outputs.read():
        for records in chunk.values():
            for record in records:
                name = dict(record.headers).get("ce_id")
                if name is not None:
                    found[name.decode()] = hash(record.value)
        progress.update(task, completed=outputs.done)
    return found


async def _rows(connection: Any, shard: int, until: int, topics: Sequence[str]) -> AsyncIterator[list[LogRow]]:
    """The rows of a shard that were published to the topics, in order."""
    last = 0
    while found := await connection.fetch(statement("rows_of_topics"), shard, last, until, topics, CHUNK):
        rows = [LogRow(*row) for row in found]
        yield rows
        last = rows[-1].seq
