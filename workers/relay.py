"""The relay: publishes the decision log to Kafka, each row exactly once for a `read_committed` consumer.

A shard's checkpoint is the sequence number, chain hash and incarnation of its last published row. The relay writes it
in the same Kafka transaction as the rows, and for every shard before it publishes the first row of any. After an
error it opens a new producer with the same transactional id, which fences the old one, and reads the checkpoint
again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from uuid import UUID

import asyncpg
import orjson
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaException

from contracts.topics import OUTPUT_TOPICS
from workers import timeouts
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint, Moved, published_seq
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.last_record import LeftOpen, NoAnswer
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import Fenced, Outgoing, PublishError, TransactionalProducer
from workers.ops import metrics
from workers.ops.backoff import Backoff, try_once
from workers.ops.blame import server_of
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.ops.refused import Refused
from workers.standby import Standby
from workers.store.listener import Bell, Listener
from workers.store.postgres import TRANSIENT
from workers.store.protocols import DecisionLog
from workers.store.records import LogRow

log = Log()

CHUNK = 5000
"""The largest number of rows in a transaction; `workers.store.postgres.READ_BYTES` limits their size."""
BUSY = 100
GATHER_SECONDS = 0.1
"""The pause after a transaction of at least BUSY rows. A transaction costs the brokers nearly the same for one row as
for thousands, so under load fewer, larger transactions are cheaper.
"""
IDLE_SECONDS = 5.0
"""The longest wait without a notification of new rows."""
TOPICS_SECONDS = 5.0
"""The interval between two comparisons of the topics with those that were set up."""
TRIES = 20
ROOM_SECONDS = 60.0
"""The interval between two checks that the log has empty parts."""


@dataclass(slots=True)
class Shard:
    """One shard of the log, and how far it is published."""

    number: int
    store: DecisionLog
    producer: TransactionalProducer
    incarnation: UUID
    prefix: str
    partitions: int
    """The partitions of each output topic, as it was set up."""
    compare: Callable[[], Awaitable[None]]
    """Compares what was published with the log; raises CheckpointLost if a checkpoint is missing."""
    seq: int = 0

    async def open(self) -> None:
        """Fence the shard's former relay, read the checkpoint and compare it with the log."""
        value = await fence(self.producer, self.prefix, self.number)
        if value is None:
            await self.compare()
            await self.producer.publish(
                [checkpoint_message(self.prefix, self.number, Checkpoint(0, b"", self.incarnation))]
            )
            self.seq = 0
            return
        checkpoint = Checkpoint.decode(self.number, value)
        checkpoint.compare(self.number, self.incarnation, await self.store.log_row_hash(self.number, checkpoint.seq))
        self.seq = checkpoint.seq

    async def published(self) -> tuple[int, bool]:
        """The last row that a read_committed consumer sees, and whether the log has more rows."""
        value = await self.producer.visible_value(self.prefix + CHECKPOINTS_TOPIC, self.number)
        seq = published_seq(self.number, value)
        return seq, bool(await self.store.read_log(self.number, seq, 1))

    async def publish_some(self) -> int:
        """Publish the next rows in one Kafka transaction; returns how many."""
        rows = await self.store.read_log(self.number, self.seq, CHUNK)
        if not rows:
            return 0
        for expected, row in enumerate(rows, self.seq + 1):
            assert row.seq == expected, f"shard {self.number} has a gap before seq {row.seq}"
        checkpoint = Checkpoint(rows[-1].seq, rows[-1].hash, self.incarnation)
        await self.producer.publish(
            chain(
                (message(self.prefix, self.partitions, row) for row in rows),
                [checkpoint_message(self.prefix, self.number, checkpoint)],
            )
        )
        self.seq = rows[-1].seq
        return len(rows)


def shard_producer(kafka: KafkaAccess, prefix: str, shard: int) -> TransactionalProducer:
    """The producer of a shard; opening it fences all earlier ones."""
    return TransactionalProducer(kafka, f"{prefix}standing-relay-{shard}")


async def fence(producer: TransactionalProducer, prefix: str, shard: int) -> bytes | None:
    """Fence the shard's former relay; return the value of the newest checkpoint, None if there is none."""
    place = (prefix + CHECKPOINTS_TOPIC, shard)
    await producer.open()
    try:
        return await producer.last_value(*place)
    except LeftOpen as error:
        log.warning("aborting a transaction that Kafka left open", shard=shard, why=str(error))
        await producer.abort_left_open([prefix + topic for topic in OUTPUT_TOPICS], place)
        return await producer.last_value(*place)


def message(prefix: str, partitions: int, row: LogRow) -> Outgoing:
    """The message of a row of the log.

    Its partition is one of those that were set up, even if the topic has more now: the messages of a key stay in
    order, and compaction keeps only the newest.
    """
    headers = [(name, value) for name, value in orjson.loads(row.headers)]
    partition = None if row.key is None else partition_of(row.key, partitions)
    return Outgoing(prefix + row.topic, row.key, headers, row.value, partition)


@lru_cache(20_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's Java client computes it."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


def checkpoint_message(prefix: str, shard: int, checkpoint: Checkpoint) -> Outgoing:
    """The record of a checkpoint."""
    return Outgoing(prefix + CHECKPOINTS_TOPIC, str(shard).encode(), (), checkpoint.encode(), shard)


@dataclass(slots=True)
class Opening:
    """The shards that are not open yet. No row is published before all are open, and so have a checkpoint."""

    left: set[int]
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def opened(self, shard: int) -> None:
        """Record that a shard is open and has a checkpoint."""
        self.left.discard(shard)
        if not self.left:
            self.done.set()


async def run(
    shards: Sequence[Shard],
    listener: Listener,
    ended: Listener,
    vitals: Vitals,
    stop: asyncio.Event,
    check_topics: Callable[[], Awaitable[None]],
    make_room: Callable[[], Awaitable[int]],
) -> None:
    """Publish every shard until `stop` is set; raises if a shard cannot continue, or if `check_topics` does.

    `ended` listens for relays that stop; `make_room` creates parts of the log in advance and returns how many.
    """
    opening = Opening({shard.number for shard in shards})
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch_topics(check_topics, stop))
            for shard in shards:
                tasks.create_task(_run_shard(shard, opening, listener.bell(), ended.bell(), vitals, stop))
            tasks.create_task(_keep_room(make_room, vitals, stop))
    except* (Refused, Moved) as refused:
        raise refused.exceptions[0] from None


async def _watch_topics(check_topics: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Compare the topics with those that were set up, periodically until `stop` is set."""
    while not stop.is_set():
        try:
            await check_topics()
        except (KafkaUnreachable, KafkaException) as error:
            log.warning("topics not checked", error=repr(error))
        await _wait(stop, TOPICS_SECONDS)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):  # the caller checks the event
        async with asyncio.timeout(seconds):
            await event.wait()


async def _run_shard(
    shard: Shard, opening: Opening, bell: Bell, ended: Bell, vitals: Vitals, stop: asyncio.Event
) -> None:
    backoff = Backoff(TRIES, vitals.failed)
    vitals.has(_name(shard), really=False)
    standby, fenced = Standby(), False
    while not stop.is_set():
        try:
            if fenced:
                await standby.wait(partial(_look, shard, vitals, backoff), ended, stop)
                fenced = stop.is_set()
            else:
                await _publish(shard, opening, bell, vitals, backoff, stop)
        except Fenced as error:
            fenced = True
            _recycled(shard, vitals, error)
            vitals.failed(error)
            standby.lost(asyncio.get_running_loop().time())
            log.warning(
                "another relay publishes this shard; this one stands by, and takes over if rows wait unpublished",
                shard=shard.number,
                seconds=standby.patience,
            )
            await shard.producer.close()
        except (PublishError, NoAnswer, *TRANSIENT) as error:
            _recycled(shard, vitals, error)
            await backoff.failed(error)
    await shard.producer.close()
    if not fenced and _name(shard) not in vitals.lacks:
        await _announce_end(shard)


async def _announce_end(shard: Shard) -> None:
    """Notify a relay that stands by; without the notification it takes over later."""
    try:
        async with asyncio.timeout(timeouts.GOODBYE_SECONDS):
            await shard.store.notify_relay_ended()
    except TRANSIENT as error:
        log.warning("other relays not notified of this one's end", shard=shard.number, error=repr(error))


async def _look(shard: Shard, vitals: Vitals, backoff: Backoff) -> tuple[int, bool]:
    vitals.turned(_name(shard))
    found = await shard.published()
    backoff.succeeded()
    vitals.answered("database", "kafka")
    vitals.has(_name(shard), really=True)  # ready to take over
    return found


def _name(shard: Shard) -> str:
    return f"shard {shard.number}"


def _recycled(shard: Shard, vitals: Vitals, error: Exception) -> None:
    vitals.has(_name(shard), really=False)
    log.warning("producer recycled", shard=shard.number, server=server_of(error), error=repr(error))
    vitals.metrics.count(metrics.RECYCLED, shard=str(shard.number))


async def _publish(
    shard: Shard, opening: Opening, bell: Bell, vitals: Vitals, backoff: Backoff, stop: asyncio.Event
) -> None:
    """Take the shard over and publish it until `stop` is set or something fails."""
    name = _name(shard)
    vitals.turned(name)
    await shard.store.log_row_hash(shard.number, shard.seq)  # without a database it must not fence another relay
    vitals.answered("database")
    await shard.open()
    vitals.answered("kafka")
    vitals.has(name, really=True)
    opening.opened(shard.number)
    while not (opening.done.is_set() or stop.is_set()):
        vitals.turned(name)
        await _wait(opening.done, IDLE_SECONDS)
    while not stop.is_set():
        vitals.turned(name)
        count = await _publish_some(shard, vitals)
        if count == 0:
            await bell.wait(IDLE_SECONDS, stop)
        elif count >= BUSY:
            await _wait(stop, GATHER_SECONDS)
        backoff.succeeded()


async def _keep_room(make_room: Callable[[], Awaitable[int]], vitals: Vitals, stop: asyncio.Event) -> None:
    """Create parts of the log in advance until `stop` is set."""
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        await try_once(partial(_make_room, make_room), backoff, TRANSIENT)
        await _wait(stop, ROOM_SECONDS)


async def _make_room(make_room: Callable[[], Awaitable[int]]) -> None:
    try:
        if made := await make_room():
            log.info("created parts of the decision log", count=made)
    except asyncpg.CheckViolationError:
        log.error("the default part of the decision log has rows: run `standing setup`, which moves them")


async def _publish_some(shard: Shard, vitals: Vitals) -> int:
    began = time.perf_counter()
    count = await shard.publish_some()
    vitals.answered("database")
    if count:
        vitals.answered("kafka")
        vitals.metrics.count(metrics.PUBLISHED, count, shard=str(shard.number))
        vitals.metrics.observe(metrics.PUBLISH_MESSAGES, count)
        vitals.metrics.observe(metrics.PUBLISH_SECONDS, time.perf_counter() - began)
    return count
