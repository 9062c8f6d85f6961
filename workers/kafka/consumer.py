"""The intake of the ingest worker: FastStream on aiokafka, with all that would lose data contained here.

Owns the tie between the position a batch was fetched from and the one stored in the database: before every
poll the consumer is taken back wherever the two differ, and a poll during which the assignment changed is
dropped whole. Kafka's own committed offsets are written for dashboards and never read.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import TopicPartition, errors
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from workers import timeouts
from workers.kafka import fetch_errors as names
from workers.kafka.admin import Admin, KafkaUnreachable, TopicState
from workers.kafka.committed_offsets import CommittedOffsets
from workers.kafka.ends import NO_LEADER, high_watermarks
from workers.kafka.fetched_records import UnreadableRecords, guard_fetches
from workers.kafka.halts import ANEW, GONE, Halts
from workers.kafka.handling import Handler, Partition, PartitionBatch
from workers.kafka.positioned_consumer import Listener, PositionedConsumer, first_of
from workers.kafka.security import KafkaAccess
from workers.kafka.subscription import subscribed
from workers.ops.backoff import Backoff
from workers.ops.blame import server_of
from workers.ops.health import Vitals
from workers.ops.logs import Log

log = Log()

KAFKA_TRANSIENT = (KafkaError, KafkaUnreachable, KafkaException)
TRIES = 8
TEND_SECONDS = 0.1


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
        self._topic_ids = topic_ids or {}
        self._handler: Handler | None = None
        self._book: dict[TopicPartition, int] = {}
        self._halted = Halts(self._vitals, self._named)
        self._resting: set[TopicPartition] = set()
        """Those that the handler has paused."""
        self._offsets = CommittedOffsets(self._vitals.failed)
        self._generation = 0
        self._committing: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._kafka_backoff = Backoff(TRIES, self._vitals.failed, first_seconds=0.1, longest_seconds=2.0)
        self._commit_backoff = Backoff(TRIES, self._vitals.failed)
        self._consumer: PositionedConsumer | None = None
        self._kafka = kafka
        self._admin = Admin(kafka)
        whole = [prefix + topic for topic in topics]
        self._broker = subscribed(kafka, whole, group, instance_id, batch_size, Listener(self), self._on_batch)

    def _make_consumer(self, builder: Any, **options: Any) -> PositionedConsumer:
        self._consumer = PositionedConsumer(intake=self, **{**builder.keywords, **self._kafka.aiokafka(), **options})
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
        tending = asyncio.create_task(self.guard(self._tend()))
        try:
            await first_of(stop, self._failed)
        finally:
            tending.cancel()
            self._generation += 1
            await self._finish_commit()
            self._need_consumer().unwatch()
            if self._failure is None:
                await self._offsets.write(self._need_consumer())
            self._leave_to_others()
            try:
                await self._broker.stop()
            except Exception as error:
                self.fail(error)  # of two errors the first is raised
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
        if isinstance(error, errors.NoOffsetForPartitionError):
            return  # the book says where to read; Kafka's committed offsets do not count
        if isinstance(error, errors.OffsetOutOfRangeError):
            for place, offset in error.args[0].items():
                self._halt(place, offset, names.OFFSET_OUT_OF_RANGE, GONE)
        elif isinstance(error, UnreadableRecords):
            self._fetch_failed(error.place, error.offset, names.CORRUPT_MESSAGE, str(error))
        elif isinstance(error, errors.TopicAuthorizationFailedError) and any(
            each in self._halted for each in self._book if each.topic == error.args[0]
        ):
            return  # `fetched` heard of it
        else:
            log.warning("poll failed", error=repr(error))
            try:
                await self._kafka_backoff.failed(error)
            except KafkaError as last:
                self.fail(KafkaUnreachable(f"{self._kafka}: {last}"))

    def _halt(self, place: TopicPartition, offset: int, name: str, why: str) -> None:
        """Read nothing more of a partition until it is claimed again."""
        if place in self._book:  # else it was revoked meanwhile: its new owner will find out
            self._halted.halt(place, offset, name, why)
            self._need_consumer().pause(place)

    # -- partitions whose fetches fail ---------------------------------------------------------------------

    def fetched(self, place: TopicPartition, offset: int, code: int, empty: bool) -> None:
        """How the fetch of a partition fared; what was fetched shows in `poll` whether it can be read."""
        if place not in self._book or self._need_consumer().position_now(place) != offset:
            return
        if code:
            self._fetch_failed(place, offset, names.error_name(code), "the broker's answer to a fetch")
        elif empty:
            self._halted.went_well(place)

    def _fetch_failed(self, place: TopicPartition, offset: int, name: str, why: str) -> None:
        if place in self._book:
            self._halted.failed(place, offset, name, why, asyncio.get_running_loop().time())
            self._need_consumer().pause(place)

    async def _tend(self) -> None:
        """Beside the polls, for ever: try again what failed, and tell Kafka what is stored."""
        while True:
            await asyncio.sleep(TEND_SECONDS)
            consumer = self._need_consumer()
            for place in [each for each in self._book if each not in self._halted]:
                if consumer._client.cluster.leader_for_partition(place) in (None, NO_LEADER):
                    self._fetch_failed(place, self._book[place], names.LEADER_NOT_AVAILABLE, "no broker leads it")
            if due := self._halted.due(asyncio.get_running_loop().time()):
                await self._try_again(due)
            await self._offsets.write_sometimes(consumer)

    async def _try_again(self, due: Sequence[TopicPartition]) -> None:
        """Fetch again from where the book says, unless the topic is another one now."""
        try:
            found = await self._admin.describe(sorted({each.topic for each in due}) if self._topic_ids else ())
        except (KafkaUnreachable, KafkaException) as error:
            self._vitals.failed(error)
            return
        for place in due:
            if self._is_anew(place.topic, found.get(place.topic)):
                self._halt(place, self._book.get(place, 0), names.UNKNOWN_TOPIC_ID, ANEW)
            elif place in self._book:
                self._halted.trying(place)
                self._resume(place)

    def _resume(self, place: TopicPartition) -> None:
        if place not in self._resting and not self._halted.rests(place):
            self._need_consumer().resume(place)

    # -- polls and assignments -----------------------------------------------------------------------------

    async def poll(self, fetch: Callable[[], Any]) -> dict[TopicPartition, Sequence[PartitionBatch]]:
        """One poll, tied to the book; an assignment that changes meanwhile drops it whole."""
        for place, expected in self._book.items():
            if self._need_consumer().position_now(place) != expected:
                self._need_consumer().seek(place, expected)
        self._vitals.turned("polls")
        generation, asked_from = self._generation, dict(self._book)
        records = await fetch()
        self._kafka_backoff.succeeded()
        if generation != self._generation:
            return {}
        found: dict[TopicPartition, Sequence[PartitionBatch]] = {}
        for place, fetched_from in self._book.items():
            reached = self._need_consumer().position_now(place)
            if reached is None or reached == fetched_from or asked_from.get(place) != fetched_from:
                continue  # nothing new, or taken back meanwhile: what was fetched began elsewhere
            some = records.get(place, ())
            if some and some[0].offset < fetched_from:
                continue  # fetched before a seek; the next poll takes the consumer back
            found[place] = (PartitionBatch(*self._named(place), fetched_from, reached, some),)
            self._book[place] = reached
            self._halted.went_well(place)
        return found

    async def on_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the commit under way, then forget everything: the next assignment claims anew."""
        self._generation += 1
        await self._finish_commit()
        self._offsets.forget(self._book)
        self._book.clear()
        self._halted.clear()
        if revoked:
            await self._need_handler().revoked([self._named(place) for place in revoked])

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        """Claim what was assigned, and read it from where the database says."""
        self._generation += 1
        await self._finish_commit()
        self._book.clear()
        if assigned:
            await self._claim(assigned)

    async def _claim(self, places: set[TopicPartition]) -> None:
        offsets = await self._need_handler().claim(sorted(self._named(place) for place in places))
        found = await self._admin.describe(sorted({each.topic for each in places}) if self._topic_ids else ())
        self._halted.forget(places)  # tried from the beginning
        self._resting -= places
        for place in places:
            offset = offsets.get(self._named(place))
            self._need_consumer().seek(place, offset or 0)
            if offset is None:
                log.error("partition not read: added after the set-up", topic=place.topic, number=place.partition)
                self._need_consumer().pause(place)
                continue
            self._book[place] = offset
            self._offsets.stored(place, offset)
            self._need_consumer().resume(place)
            if self._is_anew(place.topic, found.get(place.topic)):
                self._halt(place, offset, names.UNKNOWN_TOPIC_ID, ANEW)

    def _is_anew(self, topic: str, state: TopicState | None) -> bool:
        """Whether a topic is there and not the one whose positions are stored, though it may have records there."""
        known = self._topic_ids.get(topic.removeprefix(self._prefix))
        return state is not None and known is not None and state.topic_id != known

    def _placed(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._prefix + topic, partition)

    def _named(self, place: TopicPartition) -> Partition:
        return (place.topic.removeprefix(self._prefix), place.partition)

    # -- handling ------------------------------------------------------------------------------------------

    async def _on_batch(self, batch: Sequence[PartitionBatch]) -> None:
        """FastStream's handler. No exception leaves it: FastStream would log it and skip the batch."""
        generation = self._generation
        try:
            decoded = await self._need_handler().decode(batch)
            await self._finish_commit()
            if generation == self._generation:
                self._committing = asyncio.create_task(self._commit(batch, decoded))
                await asyncio.sleep(0)  # the database is asked before the next fetch is parsed, not after it
        except Exception as error:
            self.fail(error)

    async def _finish_commit(self) -> None:
        """Wait until the commit under way has ended, well or badly."""
        if self._committing is not None and self._committing is not asyncio.current_task():
            await asyncio.shield(self._committing)

    async def _commit(self, batch: Sequence[PartitionBatch], decoded: Any) -> None:
        try:
            taken_back = await self._need_handler().commit(decoded)
            self._commit_backoff.succeeded()
            for (topic, partition), offset in taken_back.items():
                if (place := self._placed(topic, partition)) in self._book:
                    self._book[place] = offset
            for each in batch:
                offset = taken_back.get((each.topic, each.partition), each.next_offset)
                self._offsets.stored(self._placed(each.topic, each.partition), offset)
        except Exception as error:
            self._generation += 1  # what was fetched behind this batch must not be committed
            log.warning("batch rolled back", server=server_of(error), error=repr(error))
            await self.guard(self._recover(error))

    async def _recover(self, error: Exception) -> None:
        """Back off, then read again from where the database says; give up after some tries."""
        await self._commit_backoff.failed(error)
        await self.reclaim()

    async def reclaim(self) -> None:
        """Drop what was fetched, claim every partition anew, and read from where the database says."""
        self._generation += 1
        await self._finish_commit()
        if self._book:
            await self._claim(set(self._book))
        self._generation += 1

    # -- what the handler asks -----------------------------------------------------------------------------

    def pause(self, topic: str, partition: int) -> None:
        """Fetch no more of a partition until `resume`, or until it is claimed anew."""
        if (place := self._placed(topic, partition)) in self._book:
            self._resting.add(place)
            self._need_consumer().pause(place)

    def resume(self, topic: str, partition: int) -> None:
        """Go on with a partition that was paused, but for one that is halted."""
        if (place := self._placed(topic, partition)) in self._book:
            self._resting.discard(place)
            self._resume(place)

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
        return self._need_consumer().decided_until(self._placed(topic, partition))

    async def partition_counts(self) -> Mapping[str, int]:
        """How many partitions the brokers have of each input topic, by a request sent after this call; what is read
        of a topic that turns out to be another than was set up is halted.
        """
        found = await self._admin.describe([self._prefix + topic for topic in self._topics])
        for place, offset in self._book.items():
            if self._is_anew(place.topic, found.get(place.topic)):
                self._halt(place, offset, names.UNKNOWN_TOPIC_ID, ANEW)
        counts = {
            topic: found[name].partitions if (name := self._prefix + topic) in found else 0 for topic in self._topics
        }
        client = self._need_consumer()._client
        if counts != self._counted(client.cluster):  # the group shares them out anew only when it looks
            async with asyncio.timeout(timeouts.REQUEST_SECONDS):
                await client.force_metadata_update()
        return counts

    def _counted(self, cluster: Any) -> dict[str, int]:
        """How many partitions of each topic somebody knows of."""
        return {topic: len(cluster.partitions_for_topic(self._prefix + topic) or ()) for topic in self._topics}

    @property
    def halted(self) -> list[Partition]:
        """Partitions that cannot be read."""
        return sorted(self.halted_by)

    @property
    def halted_by(self) -> Mapping[Partition, str]:
        """The same, with Kafka's name for why."""
        return self._halted.names()

    def _need_consumer(self) -> PositionedConsumer:
        assert self._consumer is not None, "the intake is not running"
        return self._consumer

    def _need_handler(self) -> Handler:
        assert self._handler is not None, "the intake is not running"
        return self._handler
