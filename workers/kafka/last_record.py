"""The newest record of one partition, as a `read_committed` reader sees it.

The relay asks this for its checkpoint and needs the true answer: offsets at the end may be control records,
aborted or compacted away, so it reads back until a record shows or the partition's start is
reached. The invariant: what it returns was the newest when the end was asked for, after the call.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError as AiokafkaError

from workers import timeouts
from workers.kafka.connections import end_at_once
from workers.kafka.security import KafkaAccess

_FIRST_SPAN = 16
"""How many offsets are read back at first; eight times as many each time that they hold no record."""
_POLL_MS = 100


class NoAnswer(Exception):
    """The partition could not be read in time."""

    server = "Kafka"


class LeftOpen(NoAnswer):
    """A transaction is open at the partition's end, and hides what comes after its first record."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record without its place."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None


async def last_record(kafka: KafkaAccess, topic: str, partition: int, *, settled: bool = False) -> Record | None:
    """The newest committed record, None where the partition has none; raises NoAnswer in bounded time.

    A transaction still open hides what comes after its first record. Who fenced its producer asks for a `settled`
    partition, and gets LeftOpen where it is none.
    """
    consumer = AIOKafkaConsumer(
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_POLL_MS,
        request_timeout_ms=int(timeouts.REQUEST_SECONDS * 1000),
        **kafka.aiokafka(),
    )
    end_at_once(consumer)
    place = TopicPartition(topic, partition)
    try:
        async with asyncio.timeout(timeouts.REQUEST_SECONDS):
            await consumer.start()
            found = await _read_back(consumer, place, settled)
    except (TimeoutError, AiokafkaError) as error:
        raise NoAnswer(f"{topic}/{partition} at {kafka} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()
    return None if found is None else Record(found.key, tuple(found.headers), found.value)


async def _read_back(consumer: AIOKafkaConsumer, place: TopicPartition, settled: bool) -> ConsumerRecord | None:
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    first = (await consumer.beginning_offsets([place]))[place]
    if settled and await _high_watermark(consumer, place, end) > end:
        raise LeftOpen(f"{place.topic}/{place.partition}: a transaction is open from offset {end} on")
    span = _FIRST_SPAN
    while True:
        start = max(first, end - span)
        newest = await _newest(consumer, place, start, end)
        if newest is not None or start == first:
            return newest
        span *= 8


async def _high_watermark(consumer: AIOKafkaConsumer, place: TopicPartition, end: int) -> int:
    """Where the partition ends for a reader of all records, which a fetch tells."""
    consumer.seek(place, end)
    while (found := consumer.highwater(place)) is None:
        await consumer.getmany(timeout_ms=_POLL_MS)
    return int(found)


async def _newest(consumer: AIOKafkaConsumer, place: TopicPartition, start: int, end: int) -> ConsumerRecord | None:
    consumer.seek(place, start)
    newest: ConsumerRecord | None = None
    while await consumer.position(place) < end:
        for record in (await consumer.getmany(timeout_ms=_POLL_MS)).get(place, ()):
            if record.offset < end:
                newest = record
    return newest
