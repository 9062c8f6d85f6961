"""Restores the decision log from the output topics: one row for each message, with its hash in the chain.

A message's `ce_id`, which is derived from the incarnation, the shard and the sequence number, identifies its row.
Messages that compaction removed are missing; if none is missing, the chain must end with the checkpoint's hash.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson

from contracts.fields import instant
from contracts.topics import OUTPUT_TOPICS
from workers.checkpoints import Checkpoint
from workers.codec.messages import ce_id
from workers.enforcement.outbox import chain_hash
from workers.kafka.fetched_records import FetchedRecord
from workers.kafka.whole_topics import WholeTopics
from workers.ops.progress import Bars
from workers.ops.refused import Refused
from workers.recovery.rebuild_tables import CHUNK, append_log
from workers.settings import Settings
from workers.store.records import LogRow
from workers.store.statements import statement


class Altered(Refused):
    """The output topics do not contain what was published."""


async def restore_log(
    connection: Any, settings: Settings, checkpoints: Mapping[int, Checkpoint], incarnation: UUID, progress: Bars
) -> int:
    """Write every published message up to the checkpoints to the empty log. Returns how many; raises Altered."""
    await connection.execute(statement("create_found"))
    prefix = settings.topic_prefix
    outputs = WholeTopics(
        settings.kafka, settings.group, [prefix + topic for topic in OUTPUT_TOPICS], with_headers=True
    )
    task = progress.add_task("log", total=outputs.total)
    places: dict[str, tuple[int, int] | None] = {
        ce_id(incarnation, shard, seq): (shard, seq)
        for shard, checkpoint in checkpoints.items()
        for seq in range(1, checkpoint.seq + 1)
    }
    for chunk in outputs.read():
        for (topic, _), records in chunk.items():
            rows = list(_rows(topic.removeprefix(prefix), records, places))
            await connection.copy_records_to_table("found", records=rows)
        progress.update(task, completed=outputs.done)
    count = 0
    for shard, checkpoint in sorted(checkpoints.items()):
        async for rows in _chained(connection, shard, checkpoint):
            await append_log(connection, rows)
            count += len(rows)
    return count


def _rows(topic: str, records: list[FetchedRecord], places: dict[str, tuple[int, int] | None]) -> Iterator[LogRow]:
    """The rows of some messages, without hashes; the second copy of a message is ignored."""
    for record in records:
        headers = [(name, value.decode()) for name, value in record.headers]
        attributes = dict(headers)
        name = attributes.get("ce_id")
        if name is None or record.value is None:
            continue
        if name not in places:
            raise Altered(f"{topic}/{record.partition}: the message {name} belongs to no row before the checkpoints")
        place, places[name] = places[name], None
        if place is None:
            continue
        value = orjson.loads(record.value)
        yield LogRow(
            *place,
            b"",
            topic,
            record.key,
            orjson.dumps(headers).decode(),
            record.value,
            value.get("decision_id"),
            attributes["ce_subject"],
            value.get("kind", "account_standing"),
            instant(value["effective_at"]) if "effective_at" in value else None,
            instant(value["recorded_at"]),
        )


async def _chained(connection: Any, shard: int, checkpoint: Checkpoint) -> AsyncIterator[list[LogRow]]:
    """The rows of a shard with their hashes, which are empty after a gap; the last row has the checkpoint's hash."""
    last, before, complete = 0, b"", True
    while found := [LogRow(*row) for row in await connection.fetch(statement("found_after"), shard, last, CHUNK)]:
        rows = []
        for row in found:
            complete = complete and row.seq == last + 1
            before = chain_hash(before, row.topic, row.key, row.headers, row.value) if complete else b""
            last = row.seq
            if last == checkpoint.seq:
                if complete and before != checkpoint.hash:
                    raise Altered(f"shard {shard}: the output topics do not contain what was published up to {last}")
                before = checkpoint.hash
            rows.append(row._replace(hash=before, decision_id=row.decision_id and str(row.decision_id)))
        yield rows
    if last != checkpoint.seq:  # compaction removed its message, but the relay needs its hash
        at = await connection.fetchval(statement("now"))
        yield [LogRow(shard, checkpoint.seq, checkpoint.hash, "", None, "[]", b"", None, "", "compacted", None, at)]
