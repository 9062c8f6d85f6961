"""The newest record of one partition, as a `read_committed` consumer sees it; the relay reads its checkpoint with it.

The last offsets may be control records, aborted or compacted records, so it reads back until it finds a record or the
partition's start. The invariant: the record was the newest at some instant after the call.
"""

import asyncio
import threading
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.topics import Partition
from workers import timeouts
from workers.kafka.admin import Admin, KafkaUnreachable
from workers.kafka.security import KafkaAccess

_FIRST_SPAN = 16
"""The offsets that are read back first; eight times as many each time that they contain no record."""
_POLL_SECONDS = 0.1


class NoAnswer(Exception):
    """The partition could not be read in time."""

    server = "Kafka"


class LeftOpen(NoAnswer):
    """A transaction is open in the partition and hides the records after its start."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record that there is; its value can be null."""

    value: bytes | None


async def last_record(admin: Admin, topic: str, partition: int, *, none_open: bool = False) -> Record | None:
    """The newest committed record, None if there is none; raises NoAnswer after `timeouts.REQUEST_SECONDS`.

    An open transaction hides the records after its start. With `none_open`, which a caller passes that has fenced all
    producers, an open transaction raises LeftOpen.
    """
    place, ended = (topic, partition), threading.Event()
    try:
        async with asyncio.timeout(timeouts.REQUEST_SECONDS):
            first, end = await _bounds(admin, place, none_open)
            if first >= end:
                return None
            found = await asyncio.to_thread(_read_back, admin.kafka, place, first, end, ended)
    except (TimeoutError, KafkaUnreachable, KafkaException) as error:
        raise NoAnswer(f"{topic}/{partition} at {admin.kafka} cannot be read: {error!r}") from error
    finally:
        ended.set()
    return None if found is None else Record(found.value())


async def _bounds(admin: Admin, place: Partition, none_open: bool) -> tuple[int, int]:
    """The first offset, and the offset up to which all is decided."""
    end = (await admin.end_offsets([place]))[place]
    if none_open and (await admin.high_watermarks([place]))[place] > end:
        raise LeftOpen(f"{place[0]}/{place[1]}: a transaction is open from offset {end} on")
    return (await admin.start_offsets([place]))[place], end


def _read_back(kafka: KafkaAccess, place: Partition, first: int, end: int, ended: threading.Event) -> Message | None:
    consumer = Consumer(
        {
            "group.id": "standing",  # the library needs one; nothing joins it, and no right to it is needed
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 1,  # only records that are there already are wanted
            "log_level": 0,
            **kafka.librdkafka(),
        }
    )
    try:
        span = _FIRST_SPAN
        while True:
            start = max(first, end - span)
            consumer.assign([TopicPartition(*place, start)])
            newest = _newest(consumer, end, ended)
            if newest is not None or start == first:
                return newest
            span *= 8
    finally:
        consumer.close()


def _newest(consumer: Consumer, end: int, ended: threading.Event) -> Message | None:
    """The last record before an offset, of the assigned partition."""
    newest: Message | None = None
    reached = 0
    while reached < end:
        if ended.is_set():
            raise TimeoutError
        message = consumer.poll(_POLL_SECONDS)
        if message is None or message.topic() is None:  # an error of no partition: a broker, or the group
            continue
        reached = cast("int", message.offset())
        if (error := message.error()) is None:
            newest, reached = (message if reached < end else newest), reached + 1
        elif error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
    return newest
