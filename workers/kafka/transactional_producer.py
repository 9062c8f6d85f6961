"""The relay's producer: publishes a list of messages in one Kafka transaction.

It runs one librdkafka producer on a thread of its own, so that nothing blocks the event loop. The invariant: after an
error it publishes nothing until `open` creates a new producer with the same transactional id, which aborts the old
one's open transaction. `close` ends the threads and connections.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.topics import Partition
from workers import timeouts
from workers.kafka.admin import Admin
from workers.kafka.last_record import last_record
from workers.kafka.security import KafkaAccess

log = logging.getLogger(__name__)  # for librdkafka's lines, which it would otherwise print

_RECONNECT_MS = 1000
"""The longest wait before a new connection; librdkafka's default is 10 s."""
_FULL_SECONDS = 0.05
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)

Result = TypeVar("Result")


class PublishError(Exception):
    """The transaction failed, or its outcome is unknown; the producer must be opened again."""

    server = "Kafka"


class Fenced(PublishError):
    """Another producer with the same transactional id took over."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish; without a partition, its key determines one as in Kafka's Java client."""

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, str | bytes | None]]
    value: bytes | None
    partition: int | None = None


class TransactionalProducer:
    """Publishes lists of messages, each in one transaction, for one transactional id."""

    def __init__(self, kafka: KafkaAccess, transactional_id: str) -> None:
        self._kafka = kafka
        self._transactional_id = transactional_id
        self._producer: Producer | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._failure: KafkaError | None = None

    async def open(self) -> None:
        """Create a new producer, which fences every older one of its id and aborts their open transactions."""
        await self.close()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._transactional_id)
        self._failure = None
        await self._run(self._open)

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        """Publish all messages in one transaction, committed when this returns.

        Raises PublishError, or Fenced if another producer took over; then it is unusable until opened again.
        """
        await self._run(lambda: self._publish(messages))

    async def last_value(self, topic: str, partition: int) -> bytes | None:
        """The value of the newest committed record of a partition, after `open` aborted open transactions.

        Raises LeftOpen if one is still open: see `abort_left_open`.
        """
        found = await last_record(Admin(self._kafka), topic, partition, none_open=True)
        return None if found is None else found.value

    async def visible_value(self, topic: str, partition: int) -> bytes | None:
        """The same, without `open`; an open transaction may hide newer records."""
        found = await last_record(Admin(self._kafka), topic, partition)
        return None if found is None else found.value

    async def abort_left_open(self, topics: Sequence[str], *places: Partition) -> None:
        """Abort transactions of this id that Kafka left open, in all partitions of `topics` and in `places`.

        A killed broker (seen with Kafka 4.3.1) may complete a transaction without writing all its markers. Its
        records stay hidden until the same producer id ends another transaction in the partition, and then share its
        outcome. So this writes a record to each partition and aborts.
        """
        await self._run(lambda: self._abort_in(topics, places))

    async def close(self) -> None:
        """Close the producer; its open transaction is aborted by the next producer or by its timeout."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(thread, self._release)
        thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._thread is None:
            raise PublishError(f"producer {self._transactional_id} is not open")
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(running)
        except KafkaException as error:
            traceback.clear_frames(error.__traceback__)  # the error must not keep the producer alive
            raise self._failed(error.args[0]) from error
        except asyncio.CancelledError:
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._failure = self._failure or KafkaError(KafkaError._STATE, "a transaction was cancelled")
            raise
        finally:
            del running  # its error's traceback refers to this frame

    def _failed(self, error: KafkaError) -> PublishError:
        self._failure = error
        kind = Fenced if error.code() in _FENCED else PublishError
        return kind(f"producer {self._transactional_id}: {error.str()}")

    # The methods below run on the producer's thread.

    def _open(self) -> None:
        self._producer = Producer(
            {
                "transactional.id": self._transactional_id,
                "transaction.timeout.ms": int(timeouts.TRANSACTION_SECONDS * 1000),
                "message.timeout.ms": int(timeouts.PRODUCER_SECONDS * 1000),
                "socket.timeout.ms": 10_000,
                "reconnect.backoff.max.ms": _RECONNECT_MS,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,  # a commit flushes without it; it only fills the batches of long lists
                "compression.type": "lz4",
                "message.max.bytes": 8 * 1024 * 1024,  # above the brokers' limit, which decides
                "partitioner": "murmur2_random",
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                **self._kafka.librdkafka(),
            },
            logger=log,
        )
        self._producer.init_transactions(timeouts.PRODUCER_SECONDS)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _publish(self, messages: Iterable[Outgoing]) -> None:
        producer = self._usable()
        producer.begin_transaction()
        for message in messages:
            self._send(producer, message)
        producer.commit_transaction(timeouts.PRODUCER_SECONDS)
        self._usable()

    def _abort_in(self, topics: Sequence[str], places: Sequence[Partition]) -> None:
        producer = self._usable()
        found = producer.list_topics(timeout=timeouts.PRODUCER_SECONDS).topics
        everywhere = [(topic, number) for topic in topics if topic in found for number in found[topic].partitions]
        producer.begin_transaction()
        for topic, partition in (*everywhere, *places):
            self._send(producer, Outgoing(topic, self._transactional_id.encode(), (), b"", partition))
        if producer.flush(timeouts.PRODUCER_SECONDS):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the records to be aborted were not sent in time"))
        self._usable()
        producer.abort_transaction(timeouts.PRODUCER_SECONDS)

    def _send(self, producer: Producer, message: Outgoing) -> None:
        partition = -1 if message.partition is None else message.partition
        headers = list(message.headers)
        while True:
            try:
                producer.produce(message.topic, message.value, message.key, partition, headers=headers)
                return
            except BufferError:
                producer.poll(_FULL_SECONDS)  # the queue is full
                self._usable()
            except KafkaException:  # caused by an error in the background, which `poll` reports
                producer.poll(0)
                self._usable()
                raise

    def _usable(self) -> Producer:
        if self._failure is not None:
            raise KafkaException(self._failure)
        assert self._producer is not None, "no producer was created"
        return self._producer

    def _release(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()  # then the last reference goes, which ends its threads
