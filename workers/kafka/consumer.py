"""The consumer of the input topics: one FastStream subscriber without a handler, polled by the ingest worker's loop.

Owns the options of the consumer and the translation between Kafka's names and the engine's. It decides nothing about
positions: the listener is told what happens and says where to read. Left to its defaults FastStream would lose data:
docs/decisions/0021 says what is taken from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from confluent_kafka import KafkaException
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from contracts.topics import Partition
from workers import timeouts
from workers.kafka import fetch_errors, internals
from workers.kafka.admin import Admin, KafkaUnreachable, TopicState
from workers.kafka.consumer_listener import ConsumerListener
from workers.kafka.ends import NO_LEADER, high_watermarks
from workers.kafka.fetched_records import FetchedRecord, UnreadableRecords
from workers.kafka.security import KafkaAccess

KAFKA_TRANSIENT = (KafkaError, KafkaUnreachable, KafkaException)
POLL_MILLISECONDS = 20
"""How long a poll waits for records."""
PATIENT_POLL_MILLISECONDS = 250
FETCH_MILLISECONDS = 10
"""How long a broker waits for records; so long waits a partition that goes on for the fetch under way."""
PATIENT_FETCH_MILLISECONDS = 500

RECREATED = "the topic was deleted and recreated: the stored position is that of the old one"
GONE = "its stored position is not in the topic: retention passed it, or the topic was recreated"


Rebalance = Callable[[ConsumerListener], Awaitable[None]]
"""What a listener is told of a rebalance."""
Tell = Callable[[Rebalance], Awaitable[None]]


class Consumer:
    """Reads the input topics; a `ConsumerListener` is told what happens to its partitions."""

    def __init__(
        self,
        *,
        kafka: KafkaAccess,
        topics: Sequence[str],
        prefix: str,
        group: str,
        instance_id: str,
        topic_ids: Mapping[str, str] | None = None,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._prefix = prefix
        self._topic_ids = topic_ids or {}
        self._admin = Admin(kafka)
        self._listener: ConsumerListener | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._broker = _broker(kafka)
        self._broker.subscriber(
            *(prefix + topic for topic in topics),
            group_id=group,
            group_instance_id=instance_id,
            auto_offset_reset="none",
            isolation_level="read_committed",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=timeouts.SESSION_SECONDS * 1000,
            heartbeat_interval_ms=timeouts.GROUP_HEARTBEAT_SECONDS * 1000,
            max_poll_interval_ms=timeouts.POLL_SECONDS * 1000,
            fetch_max_wait_ms=FETCH_MILLISECONDS,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            listener=_Rebalances(self._tell, self._named),
        )
        self._app = FastStream(self._broker, logger=None)

    def __str__(self) -> str:
        """As an operator is told of it."""
        return str(self._kafka)

    # -- its life ------------------------------------------------------------------------------------------

    async def start(self, listener: ConsumerListener) -> None:
        """Join the group; returns once partitions are assigned, of which the listener is told before."""
        self._listener = listener
        internals.guard_fetches()
        await self._broker.connect()
        internals.build_consumers_with(self._broker, self._build)
        await self._app.start()
        internals.watch_tasks(self.client, self._task_ended)

    def _build(self, **options: Any) -> AIOKafkaConsumer:
        self._consumer = consumer = AIOKafkaConsumer(**{**options, **self._kafka.aiokafka()})
        internals.stop_immediately(consumer)
        internals.watch_fetches(consumer, self._fetch_answered)
        return consumer

    async def stop(self, owned: int) -> None:
        """Stop, and leave the group where others have partitions too: they take over the `owned` ones without a wait.

        Who has every partition stays: nobody else would take them, and its successor finds them.
        """
        listener, self._listener = self._listener, None  # the end of the consumer's tasks is wanted from now on
        if listener is not None and owned < sum(self._known_counts().values()):
            internals.leave_group_at_stop(self.client)
        await self._app.stop()

    async def _tell(self, rebalance: Rebalance) -> None:
        listener = self._listener
        if listener is not None:
            try:
                await rebalance(listener)
            except Exception as error:
                listener.failed(error)

    def _task_ended(self, error: internals.TaskEnded) -> None:
        if self._listener is not None:
            self._listener.failed(error)

    def _fetch_answered(self, place: TopicPartition, offset: int, code: int, is_empty: bool) -> None:
        if self._listener is not None:
            error = fetch_errors.error_name(code) if code else None
            self._listener.fetch_answered(self._named(place), offset, error, is_empty)

    # -- reading -------------------------------------------------------------------------------------------

    async def poll(self, most: int, *, patiently: bool) -> Mapping[Partition, Sequence[FetchedRecord]] | None:
        """What was fetched, at most so many records; raises KafkaError. It returns at once when something is fetched;
        it polls `patiently` where nothing else is waited for.

        None where the listener is told of an error instead. Positions can have moved over records that were lost with
        the error, so what is between the position before and after such a poll must be fetched again.
        """
        try:
            wait = PATIENT_POLL_MILLISECONDS if patiently else POLL_MILLISECONDS
            records = await self.client.getmany(timeout_ms=wait, max_records=most)
        except NoOffsetForPartitionError:  # the listener says where to read; Kafka's committed offsets do not count
            await asyncio.sleep(POLL_MILLISECONDS / 1000)
            return None
        except OffsetOutOfRangeError as error:
            for place in error.args[0]:
                self.listener.position_lost(self._named(place), fetch_errors.OFFSET_OUT_OF_RANGE, GONE)
            return None
        except UnreadableRecords as error:
            self.listener.fetch_failed(self._named(error.place), fetch_errors.CORRUPT_MESSAGE, str(error))
            return None
        except TopicAuthorizationFailedError as error:
            if not self.listener.is_halted(str(error.args[0]).removeprefix(self._prefix)):
                raise
            return None  # the answer to the fetch said so
        is_quiet = patiently and not records
        internals.wait_in_fetches(self.client, PATIENT_FETCH_MILLISECONDS if is_quiet else FETCH_MILLISECONDS)
        return {self._named(place): found for place, found in records.items()}

    def assigned(self) -> set[Partition]:
        """The partitions that are this consumer's."""
        return {self._named(place) for place in self.client.assignment()}

    def position(self, place: Partition) -> int | None:
        """The next offset that a poll gives; None where the partition is not this consumer's."""
        return internals.position_of(self.client, self._placed(place))

    def paused(self) -> set[Partition]:
        """The partitions that are not fetched from."""
        return {self._named(place) for place in self.client.paused()}

    def seek(self, place: Partition, offset: int) -> None:
        """Fetch from this offset next."""
        self.client.seek(self._placed(place), offset)

    def pause(self, place: Partition) -> None:
        """Stop fetching from a partition."""
        self.client.pause(self._placed(place))

    def resume(self, place: Partition) -> None:
        """Fetch from a partition again."""
        self.client.resume(self._placed(place))

    def decided_until(self, place: Partition) -> int:
        """The offset before which all could be read when the last fetch was answered; 0 before the first."""
        at = self._placed(place)
        return (self.client.last_stable_offset(at) or 0) if at in self.client.assignment() else 0

    def has_leader(self, place: Partition) -> bool:
        """Whether a broker leads the partition, by what is known of it here."""
        return internals.leader_of(self.client, self._placed(place)) not in (None, NO_LEADER)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Write Kafka's committed offsets."""
        await self.client.commit({self._placed(place): offset for place, offset in offsets.items()})

    # -- questions -----------------------------------------------------------------------------------------

    async def ends(self, read: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """The high watermarks of partitions that are read up to these offsets, by requests sent after this call. One
        that lies before what was read is of a topic made again: it proves nothing and is left out.
        """
        found = await self._high_watermarks(map(self._placed, read))
        return {place: end for at, end in found.items() if end >= read[place := self._named(at)]}

    async def ends_of(self, topic: str) -> Mapping[int, int] | None:
        """The high watermark of every partition that a topic has, by requests sent after this call;
        None where one does not answer, or the topic is not the one that was set up.
        """
        name = self._prefix + topic
        state = (await self._admin.describe([name])).get(name)
        if state is None or self._is_recreated(topic, state):
            return None
        found = await self._high_watermarks([TopicPartition(name, number) for number in range(state.partitions)])
        ends = {place.partition: end for place, end in found.items()}
        return ends if len(ends) == state.partitions else None

    async def _high_watermarks(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        def leader(place: TopicPartition) -> int | None:
            return internals.leader_of(self.client, place)

        return await high_watermarks(self._admin, leader, places)

    async def partition_counts(self) -> Mapping[str, int]:
        """How many partitions the brokers have of each input topic, by a request sent after this call.

        The listener is told of topics that are not those that were set up.
        """
        found = await self._describe(self._topics)
        for topic in self._recreated(found):
            self.listener.topic_recreated(topic)
        counts = {topic: found[topic].partitions if topic in found else 0 for topic in self._topics}
        if counts != self._known_counts():
            async with asyncio.timeout(timeouts.REQUEST_SECONDS):
                await internals.refresh_metadata(self.client)
        return counts

    async def recreated(self, topics: Iterable[str]) -> Collection[str]:
        """Those of the topics that are not the ones that were set up, by a request sent after this call."""
        return self._recreated(await self._describe(sorted(set(topics)))) if self._topic_ids else ()

    async def _describe(self, topics: Sequence[str]) -> dict[str, TopicState]:
        found = await self._admin.describe([self._prefix + topic for topic in topics])
        return {name.removeprefix(self._prefix): state for name, state in found.items()}

    def _recreated(self, found: Mapping[str, TopicState]) -> list[str]:
        return [topic for topic, state in found.items() if self._is_recreated(topic, state)]

    def _is_recreated(self, topic: str, state: TopicState) -> bool:
        """Whether a topic is not the one whose positions are stored, though it may have records there."""
        return self._topic_ids.get(topic, state.topic_id) != state.topic_id

    def _known_counts(self) -> dict[str, int]:
        """How many partitions of each topic the client knows of."""
        return {topic: len(self.client.partitions_for_topic(self._prefix + topic) or ()) for topic in self._topics}

    # -- names ---------------------------------------------------------------------------------------------

    def _placed(self, place: Partition) -> TopicPartition:
        return TopicPartition(self._prefix + place[0], place[1])

    def _named(self, place: TopicPartition) -> Partition:
        return (place.topic.removeprefix(self._prefix), place.partition)

    @property
    def client(self) -> AIOKafkaConsumer:
        """aiokafka's consumer."""
        assert self._consumer is not None, "the consumer is not started"
        return self._consumer

    @property
    def listener(self) -> ConsumerListener:
        assert self._listener is not None, "the consumer is not running"
        return self._listener


def _broker(kafka: KafkaAccess) -> KafkaBroker:
    return KafkaBroker(
        kafka.bootstrap,
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        request_timeout_ms=int(timeouts.REQUEST_SECONDS * 1000),
        logger=None,  # what happens is logged by the worker, once
        graceful_timeout=timeouts.LEAVE_SECONDS,
    )


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka swallows what these raise, so `tell` gives every failure to the listener."""

    def __init__(self, tell: Tell, named: Callable[[TopicPartition], Partition]) -> None:
        self._tell = tell
        self._named = named

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._tell(lambda listener: listener.revoked())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        places = sorted(map(self._named, assigned))
        await self._tell(lambda listener: listener.assigned(places))
