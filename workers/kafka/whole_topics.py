"""Reads whole topics once, from their starts to the ends that they have at the beginning.

It commits no offsets and joins no group. The invariant: it returns exactly the records that a `read_committed`
consumer sees before those ends, each partition in order, or raises `NoAnswer`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.topics import Partition
from workers import timeouts
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.fetched_records import FetchedRecord
from workers.kafka.last_record import NoAnswer
from workers.kafka.security import KafkaAccess

CHUNK = 5000
_GATHER_SECONDS = 0.1
"""The longest wait for a full chunk."""


@dataclass
class WholeTopics:
    """One reading of topics; `starts` and `ends` are the offsets of each partition at the beginning."""

    kafka: KafkaAccess
    group: str
    """The prefix of the group id: the library needs one, and the brokers authorize it."""
    topics: Sequence[str]
    with_headers: bool = False
    """Only for output topics: an input record may have a header name that the library cannot decode."""
    starts: dict[Partition, int] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    reached: dict[Partition, int] = field(default_factory=dict)
    """The next offset of each partition to read."""

    def __post_init__(self) -> None:
        self._consumer = Consumer(
            {
                "group.id": f"{self.group}-whole-topics",  # nothing is ever committed
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 65_536,
                **self.kafka.librdkafka(),
            }
        )
        try:
            self._find_ends()
        except KafkaException as error:
            self._consumer.close()
            raise KafkaUnreachable(f"{self.kafka}: {error}") from error

    def _find_ends(self) -> None:
        known = self._consumer.list_topics(timeout=timeouts.READING_SECONDS).topics
        for topic in self.topics:
            for partition in known[topic].partitions if topic in known else ():
                place = TopicPartition(topic, partition)
                low, high = self._consumer.get_watermark_offsets(place, timeout=timeouts.READING_SECONDS)
                self.starts[topic, partition] = self.reached[topic, partition] = low
                self.ends[topic, partition] = high

    def stop_at(self, offsets: Mapping[Partition, int]) -> None:
        """Read only up to these offsets, and nothing from other partitions."""
        for place, end in self.ends.items():
            self.ends[place] = max(self.starts[place], min(end, offsets.get(place, 0)))

    @property
    def total(self) -> int:
        """The number of offsets to read."""
        return sum(self.ends.values()) - sum(self.starts.values())

    @property
    def done(self) -> int:
        """The number of offsets that were read."""
        return sum(self.reached.values()) - sum(self.starts.values())

    def unread(self) -> set[Partition]:
        """The partitions that are not read to their ends."""
        return {place for place, offset in self.reached.items() if offset < self.ends[place]}

    def read(self) -> Iterator[dict[Partition, list[FetchedRecord]]]:
        """Yield every record, in chunks; `reached` includes the chunk."""
        places = [TopicPartition(*place, self.starts[place]) for place in sorted(self.unread())]
        try:
            self._consumer.assign(places)
            answered = time.monotonic()
            while self.unread():
                messages = self._consumer.consume(CHUNK, _GATHER_SECONDS)
                if not messages:
                    if time.monotonic() - answered > timeouts.READING_SECONDS:
                        raise NoAnswer(f"{self.kafka} returned no record for {timeouts.READING_SECONDS:.0f} s")
                    continue
                answered = time.monotonic()
                chunk: dict[Partition, list[FetchedRecord]] = {}
                for message in messages:
                    self._add(message, chunk)
                yield chunk
        finally:
            self._consumer.close()

    def _add(self, message: Message, chunk: dict[Partition, list[FetchedRecord]]) -> None:
        error = message.error()
        place = (str(message.topic()), int(message.partition() or 0))
        offset = int(message.offset() or 0)
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise NoAnswer(f"{place[0]}/{place[1]}: {error.str()}")
            self.reached[place] = max(self.reached[place], min(offset, self.ends[place]))
        elif offset < self.ends[place]:
            self.reached[place] = offset + 1
            record = FetchedRecord(
                *place, offset, message.timestamp()[1], message.key(), message.value(), self._headers(message)
            )
            chunk.setdefault(place, []).append(record)
        else:
            self.reached[place] = self.ends[place]

    def _headers(self, message: Message) -> tuple[tuple[str, bytes], ...]:
        return tuple(cast("list[tuple[str, bytes]]", message.headers() or [])) if self.with_headers else ()
