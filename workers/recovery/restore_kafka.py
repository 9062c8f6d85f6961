"""Restores relay checkpoints and output topics that Kafka lost, from the decision log.

The database must contain everything that was published; otherwise nothing is restored. Every relay is fenced before
anything is read, and the new topic ids are recorded last. The invariant: each row is in
its topic once, in the order of its shard.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.topics import OUTPUT_TOPICS
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint, CheckpointLost, compare_checkpoints, not_empty
from workers.codec.messages import ce_id
from workers.commands.setup import note_topics
from workers.kafka.admin import Admin, ensure_topics
from workers.kafka.transactional_producer import TransactionalProducer
from workers.kafka.whole_topics import WholeTopics
from workers.ops.progress import Bars
from workers.ops.refused import Refused
from workers.relay import checkpoint_message, fence, message, shard_producer
from workers.settings import Settings
from workers.store.postgres import READ_BYTES
from workers.store.records import LogRow
from workers.store.statements import statement
from workers.topic_specs import WRITTEN, topic_specs

CHUNK = 500


class CannotRestore(Refused):
    """What was lost cannot be restored; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The counts of what was restored."""

    checkpoints: int
    topics: Sequence[str]
    messages: int

    def in_words(self) -> list[str]:
        """The result and the next step as lines of text."""
        words = [f"{self.checkpoints} checkpoints restored from the output topics"] if self.checkpoints else []
        if self.topics:
            words.append(f"{', '.join(self.topics)}: {self.messages:,} messages published again")
            words.append("subscribers must read these topics from the start, like new topics")
        return [*words, "now start the workers: standing work"]


async def restore(settings: Settings, connection: Any, lost: Sequence[str], progress: Bars) -> Restored:
    """Restore missing or unreadable checkpoints, and the output topics among the lost topics.

    Raises CannotRestore, CheckpointLost or SetBack; then nothing was published.
    """
    prefix = settings.topic_prefix
    topics = [topic for topic in OUTPUT_TOPICS if topic in lost]
    full = await not_empty(Admin(settings.kafka), [prefix + topic for topic in topics])
    if full:
        raise CannotRestore(
            f"{', '.join(full)}: recreated, and already contains messages; delete it and run this command again"
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
                continue  # restored with the missing ones
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
    """Checkpoints at the last row of each shard in the output topics; raises CheckpointLost if these contain messages
    that the log does not.
    """
    published = _published(settings, progress)
    last: dict[int, tuple[int, int]] = {}
    for shard, end in ends.items():
        for seq in range(end, 0, -1):
            value = published.pop(ce_id(incarnation, shard, seq), None)
            if value is not None:
                last.setdefault(shard, (seq, value))
    if published:
        raise CheckpointLost(
            f"{len(published):,} published messages are not in this database's log: it was restored or replaced, "
            "and it cannot be rebuilt without the checkpoints; start with new output topics (see "
            "`Rebuilding from the topics` in docs/operations.md)"
        )
    checkpoints = {}
    for shard in ends:
        seq, value = last.get(shard, (0, 0))
        checkpoints[shard] = Checkpoint(0, b"", incarnation)
        if seq:
            [row] = [LogRow(*each) for each in await connection.fetch(_READ_LOG, shard, seq - 1, 1, READ_BYTES)]
            if hash(row.value) != value:
                raise CheckpointLost(f"shard {shard}: row {seq} of the log differs from its published message")
            checkpoints[shard] = Checkpoint(seq, row.hash, incarnation)
    return checkpoints


_READ_LOG = statement("read_log")


def _published(settings: Settings, progress: Bars) -> dict[str, int]:
    """A hash of the value of every message of the output topics, by `ce_id`."""
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
