"""The newest record of one partition, as a `read_committed` consumer sees it; the relay reads its checkpoint with it.

The last offsets may be control records, aborted or compacted records, so it reads back until it finds a record or the
partition's start. The invariant: the record was the newest at some instant after the call.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError as AiokafkaError

from workers import timeouts
from workers.kafka.internals import stop_immediately
from workers.kafka.security import KafkaAccess

_FIRST_SPAN = 16
"""The offsets that are read back first; eight times as many each time that they contain no record."""
_POLL_MS = 100


class NoAnswer(Exception):
    """The partition could not be read in time."""

    server = "Kafka"


class LeftOpen(NoAnswer):
    """A transaction is open in the partition and hides the records after its start."""


@dataclass(frozen=True, slots=True)
class Record:
    """Key, headers and value of a record."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None


async def last_record(kafka: KafkaAccess, topic: str, partition: int, *, none_open: bool = False) -> Record | None:
    """The newest committed record, None if there is none; raises NoAnswer after `timeouts.REQUEST_SECONDS`.

    An open transaction hides the records after its start. With `none_open`, which a caller passes that has fenced all
    producers, an open transaction raises LeftOpen.
    """
    consumer = AIOKafkaConsumer(
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_POLL_MS,
        request_timeout_ms=int(timeouts.REQUEST_SECONDS * 1000),
        **kafka.aiokafka(),
    )
    stop_immediately(consumer)
    place = TopicPartition(topic, partition)
    try:
        async with asyncio.timeout(timeouts.REQUEST_SECONDS):
            await consumer.start()
            found = await _read_back(consumer, place, none_open)
    except (TimeoutError, AiokafkaError) as error:
        raise NoAnswer(f"{topic}/{partition} at {kafka} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()
    return None if found is None else Record(found.key, tuple(found.headers), found.value)


async def _read_back(consumer: AIOKafkaConsumer, place: TopicPartition, none_open: bool) -> ConsumerRecord | None:
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    first = (await consumer.beginning_offsets([place]))[place]
    if none_open and await _high_watermark(consumer, place, end) > end:
        raise LeftOpen(f"{place.topic}/{place.partition}: a transaction is open from offset {end} on")
    span = _FIRST_SPAN
    while True:
        start = max(first, end - span)
        newest = await _newest(consumer, place, start, end)
        if newest is not None or start == first:
            return newest
        span *= 8


async def _high_watermark(consumer: AIOKafkaConsumer, place: TopicPartition, end: int) -> int:
    """The partition's high watermark, which a fetch returns."""
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
