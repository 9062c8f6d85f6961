"""The intake of the ingest worker: FastStream on aiokafka, with all that would lose data contained here.

Owns the tie between the position a batch was fetched from and the one stored in the database: before every
poll the consumer is taken back wherever the two differ, and a poll during which the assignment changed is
dropped whole. Kafka's own committed offsets are neither written nor read.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from confluent_kafka import KafkaException
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from workers.kafka.admin import Admin, KafkaUnreachable, TopicState
from workers.kafka.connections import end_at_once
from workers.kafka.ends import REQUEST_SECONDS, high_watermarks
from workers.kafka.fetched_records import UnreadableRecords, guard_fetches, pass_through, raw
from workers.kafka.handling import Handler, Partition, PartitionBatch
from workers.kafka.security import KafkaAccess
from workers.ops.backoff import Backoff
from workers.ops.health import Vitals

log = structlog.get_logger()

KAFKA_TRANSIENT = (KafkaError, KafkaUnreachable, KafkaException)
TRIES = 8
POLL_MILLISECONDS = 10
SESSION_MILLISECONDS = 10_000
_ANEW = "the topic was deleted and made again: its stored position is of the old one"
_GONE = "its stored position is not in the topic: retention passed it, or the topic was made anew"


class _PositionedConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer whose polls give `PartitionBatch`es, tied to the intake's book of positions."""

    def __init__(self, *, intake: "Intake", **options: Any) -> None:
        super().__init__(**options)
        end_at_once(self)
        self._intake = intake

    async def getmany(
        self, *_: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, Sequence[PartitionBatch]]:
        """Poll, as FastStream's loop calls it; recovers from what Kafka answers by itself.

        FastStream starts its loop anew for ever after any other exception, and tells nobody.
        """
        try:
            return await self._intake.poll(partial(super().getmany, timeout_ms=timeout_ms, max_records=max_records))
        except KafkaError as error:
            await self._intake.kafka_failed(error)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            self._intake.fail(error)
            raise ConsumerStoppedError from error
        return {}


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka swallows what these raise, so every failure is given to the intake."""

    def __init__(self, intake: "Intake") -> None:
        self._intake = intake

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._intake.guard(self._intake.on_revoked(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._intake.guard(self._intake.on_assigned(assigned))


class Intake:
    """Reads the input topics and hands batches to a handler, one commit at a time, in order."""

    def __init__(
        self,
        *,
        kafka: KafkaAccess,
        topics: Sequence[str],
        prefix: str,
        group: str,
        instance_id: str,
        batch_size: int,
        topic_ids: Mapping[str, str] | None = None,
        vitals: Vitals | None = None,
    ) -> None:
        self._vitals = vitals or Vitals()
        self._topics = topics
        self._prefix = prefix
        self._batch_size = batch_size
        self._topic_ids = topic_ids or {}
        self._handler: Handler | None = None
        self._book: dict[TopicPartition, int] = {}
        self._halted: set[TopicPartition] = set()
        self._generation = 0
        self._committing: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._kafka_backoff = Backoff(TRIES, self._vitals.failed, first_seconds=0.1, longest_seconds=2.0)
        self._commit_backoff = Backoff(TRIES, self._vitals.failed)
        self._consumer: _PositionedConsumer | None = None
        self._kafka = kafka
        self._admin = Admin(kafka)
        self._broker = broker = KafkaBroker(
            kafka.bootstrap,
            apply_types=False,
            consumer_only=True,
            allow_auto_create_topics=False,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            logger=None,  # what happens is logged here, once
            graceful_timeout=10,
        )
        broker.subscriber(
            *(self._prefix + topic for topic in self._topics),
            batch=True,
            batch_timeout_ms=POLL_MILLISECONDS,
            max_records=self._batch_size,
            group_id=group,
            group_instance_id=instance_id,
            auto_offset_reset="none",
            isolation_level="read_committed",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=1000,
            max_poll_interval_ms=120_000,
            fetch_max_wait_ms=50,  # a partition that goes on after a rest waits so long for the fetch under way
            max_partition_fetch_bytes=2 * 1024 * 1024,
            listener=_Listener(self),
            parser=pass_through,
            decoder=raw,
        )(self._on_batch)

    def _make_consumer(self, builder: Any, **options: Any) -> _PositionedConsumer:
        self._consumer = _PositionedConsumer(intake=self, **{**builder.keywords, **self._kafka.aiokafka(), **options})
        return self._consumer

    # -- running -------------------------------------------------------------------------------------------

    async def run(self, handler: Handler, stop: asyncio.Event) -> None:
        """Read until `stop` is set; raises what made it impossible to go on: the process must be started anew."""
        self._handler = handler
        guard_fetches()
        await self._broker.connect()
        config = self._broker.config.broker_config
        config.builder = partial(self._make_consumer, config.builder)  # FastStream offers no other place for it
        await self._broker.start()
        try:
            waits = [asyncio.ensure_future(each.wait()) for each in (stop, self._failed)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
        finally:
            self._generation += 1
            await self._settle()
            self._leave_to_others()
            await self._broker.stop()
        if self._failure is not None:
            raise self._failure

    def _leave_to_others(self) -> None:
        """Have the consumer leave the group as it ends, where others can take its partitions over at once.

        A member with a fixed name leaves no group by itself (KIP-345): its partitions would rest until it is back or
        its session ends. Who has every partition stays: nobody else would take them, and its successor finds them.
        """
        consumer = self._consumer
        if consumer is not None and len(self._book) < sum(self._counted(consumer._client.cluster).values()):
            consumer._coordinator._group_instance_id = None

    def fail(self, error: BaseException) -> None:
        """End `run` with this error."""
        self._failure = self._failure or error
        self._failed.set()

    async def guard(self, work: Any) -> None:
        """Do something in a place where exceptions would be swallowed."""
        try:
            await work
        except Exception as error:
            self.fail(error)

    async def kafka_failed(self, error: KafkaError) -> None:
        """Kafka refused a poll: halt what cannot be read, else back off, and give up after some tries."""
        if isinstance(error, NoOffsetForPartitionError):
            return  # the book says where to read; Kafka's committed offsets do not count
        if isinstance(error, OffsetOutOfRangeError):
            for place, offset in error.args[0].items():
                self._halt(place, offset, _GONE)
        elif isinstance(error, UnreadableRecords):
            self._halt(error.place, error.offset, str(error))
        else:
            log.warning("poll failed", error=repr(error))
            try:
                await self._kafka_backoff.failed(error)
            except KafkaError as last:
                self.fail(KafkaUnreachable(f"{self._kafka}: {last}"))

    def _halt(self, place: TopicPartition, offset: int, why: str) -> None:
        """A partition that cannot be read on is never skipped or reset in silence."""
        if place not in self._book:
            return  # revoked meanwhile: its new owner will find out
        if place not in self._halted:
            log.error(
                "partition halted; nothing of it is read, and no silence enforced, until it is set right",
                why=why,
                topic=place.topic,
                partition=place.partition,
                offset=offset,
            )
        self._halted.add(place)
        self._need_consumer().pause(place)

    # -- polls and assignments -----------------------------------------------------------------------------

    async def poll(self, fetch: Callable[[], Any]) -> dict[TopicPartition, Sequence[PartitionBatch]]:
        """One poll, tied to the book; an assignment that changes meanwhile drops it whole."""
        for place, expected in self._book.items():
            if self._position(place) != expected:
                self._need_consumer().seek(place, expected)
        self._vitals.turned("polls")
        generation, asked_from = self._generation, dict(self._book)
        records = await fetch()
        self._kafka_backoff.succeeded()
        if generation != self._generation:
            return {}
        found: dict[TopicPartition, Sequence[PartitionBatch]] = {}
        for place, fetched_from in self._book.items():
            reached = self._position(place)
            if reached is None or reached == fetched_from or asked_from.get(place) != fetched_from:
                continue  # nothing new, or taken back meanwhile: what was fetched began elsewhere
            some = records.get(place, ())
            if some and some[0].offset < fetched_from:
                continue  # fetched before a seek; the next poll takes the consumer back
            found[place] = (PartitionBatch(*self._named(place), fetched_from, reached, some),)
            self._book[place] = reached
        return found

    def _position(self, place: TopicPartition) -> int | None:
        """The consumer's position, without waiting for one."""
        subscription = self._need_consumer()._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None or place not in assignment.tps:
            return None
        state = assignment.state_value(place)
        return state.position if state.has_valid_position else None

    async def on_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the commit under way, then forget everything: the next assignment claims anew."""
        self._generation += 1
        await self._settle()
        self._book.clear()
        self._halted.clear()
        if revoked:
            await self._need_handler().revoked([self._named(place) for place in revoked])

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        """Claim what was assigned, and read it from where the database says."""
        self._generation += 1
        await self._settle()
        self._book.clear()
        if assigned:
            await self._claim(assigned)

    async def _claim(self, places: set[TopicPartition]) -> None:
        offsets = await self._need_handler().claim(sorted(self._named(place) for place in places))
        found = await self._admin.describe(sorted({each.topic for each in places}) if self._topic_ids else ())
        self._halted -= places  # tried anew
        for place in places:
            offset = offsets.get(self._named(place))
            self._need_consumer().seek(place, offset or 0)
            if offset is None:
                log.error("partition not read: added after the set-up", topic=place.topic, number=place.partition)
                self._need_consumer().pause(place)
                continue
            self._book[place] = offset
            self._need_consumer().resume(place)
            if self._is_anew(place.topic, found.get(place.topic)):
                self._halt(place, offset, _ANEW)

    def _is_anew(self, topic: str, state: TopicState | None) -> bool:
        """Whether a topic is there and not the one whose positions are stored, though it may have records there."""
        known = self._topic_ids.get(topic.removeprefix(self._prefix))
        return state is not None and known is not None and state.topic_id != known

    def _named(self, place: TopicPartition) -> Partition:
        return (place.topic.removeprefix(self._prefix), place.partition)

    # -- handling ------------------------------------------------------------------------------------------

    async def _on_batch(self, batch: Sequence[PartitionBatch]) -> None:
        """FastStream's handler. No exception leaves it: FastStream would log it and skip the batch."""
        generation = self._generation
        try:
            decoded = await self._need_handler().decode(batch)
            await self._settle()
            if generation == self._generation:
                self._committing = asyncio.create_task(self._commit(decoded))
                await asyncio.sleep(0)  # the database is asked before the next fetch is parsed, not after it
        except Exception as error:
            self.fail(error)

    async def _settle(self) -> None:
        """Wait until the commit under way has ended, well or badly."""
        if self._committing is not None and self._committing is not asyncio.current_task():
            await asyncio.shield(self._committing)

    async def _commit(self, decoded: Any) -> None:
        try:
            taken_back = await self._need_handler().commit(decoded)
            self._commit_backoff.succeeded()
            for (topic, partition), offset in taken_back.items():
                if (place := TopicPartition(self._prefix + topic, partition)) in self._book:
                    self._book[place] = offset
        except Exception as error:
            self._generation += 1  # what was fetched behind this batch must not be committed
            log.warning("batch rolled back", error=repr(error))
            await self.guard(self._recover(error))

    async def _recover(self, error: Exception) -> None:
        """Back off, then read again from where the database says; give up after some tries."""
        await self._commit_backoff.failed(error)
        await self.reclaim()

    async def reclaim(self) -> None:
        """Drop what was fetched, claim every partition anew, and read from where the database says."""
        self._generation += 1
        await self._settle()
        if self._book:
            await self._claim(set(self._book))
        self._generation += 1

    # -- what the handler asks -----------------------------------------------------------------------------

    def pause(self, topic: str, partition: int) -> None:
        """Fetch no more of a partition until `resume`, or until it is claimed anew."""
        if (place := TopicPartition(self._prefix + topic, partition)) in self._book:
            self._need_consumer().pause(place)

    def resume(self, topic: str, partition: int) -> None:
        """Go on with a partition that was paused, but for one that is halted."""
        if (place := TopicPartition(self._prefix + topic, partition)) in self._book and place not in self._halted:
            self._need_consumer().resume(place)

    async def ends(self) -> Mapping[Partition, int]:
        """The high watermark of every partition read, by requests sent after this call. One that lies before what was
        read is of a topic made anew: it proves nothing and is left out.
        """
        read = {place: offset for place, offset in self._book.items() if place not in self._halted}
        found = await self._high_watermarks(read)
        return {self._named(place): end for place, end in found.items() if end >= read[place]}

    async def ends_of(self, topic: str) -> Mapping[int, int] | None:
        """The high watermark of every partition that a topic has, whoever reads it, by requests sent after this call;
        None where one does not answer, or the topic is not the one that was set up.
        """
        name = self._prefix + topic
        state = (await self._admin.describe([name])).get(name)
        if state is None or self._is_anew(name, state):
            return None
        found = await self._high_watermarks([TopicPartition(name, number) for number in range(state.partitions)])
        ends = {place.partition: end for place, end in found.items()}
        return ends if len(ends) == state.partitions else None

    async def _high_watermarks(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return await high_watermarks(self._admin, self._need_consumer()._client.cluster.leader_for_partition, places)

    def decided_until(self, topic: str, partition: int) -> int:
        """The offset before which all could be read when the last fetch was answered; 0 before the first."""
        place, consumer = TopicPartition(self._prefix + topic, partition), self._need_consumer()
        return (consumer.last_stable_offset(place) or 0) if place in consumer.assignment() else 0

    async def partition_counts(self) -> Mapping[str, int]:
        """How many partitions the brokers have of each input topic, by a request sent after this call; what is read
        of a topic that turns out to be another than was set up is halted.
        """
        found = await self._admin.describe([self._prefix + topic for topic in self._topics])
        for place, offset in self._book.items():
            if self._is_anew(place.topic, found.get(place.topic)):
                self._halt(place, offset, _ANEW)
        counts = {
            topic: found[name].partitions if (name := self._prefix + topic) in found else 0 for topic in self._topics
        }
        client = self._need_consumer()._client
        if counts != self._counted(client.cluster):  # the group shares them out anew only when it looks
            await asyncio.wait_for(client.force_metadata_update(), REQUEST_SECONDS)
        return counts

    def _counted(self, cluster: Any) -> dict[str, int]:
        """How many partitions of each topic somebody knows of."""
        return {topic: len(cluster.partitions_for_topic(self._prefix + topic) or ()) for topic in self._topics}

    @property
    def halted(self) -> list[Partition]:
        """Partitions that cannot be read."""
        return sorted(self._named(place) for place in self._halted)

    def _need_consumer(self) -> _PositionedConsumer:
        assert self._consumer is not None, "the intake is not running"
        return self._consumer

    def _need_handler(self) -> Handler:
        assert self._handler is not None, "the intake is not running"
        return self._handler
