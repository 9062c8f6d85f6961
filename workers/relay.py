"""The relay: publishes the decision log to Kafka, each row exactly once to a `read_committed` reader.

Owns the checkpoint: seq, chain hash and incarnation of the last row published, a record written in the same Kafka
transaction as the rows. Every shard has one before the first row of any is published. After any error a new producer
with the same transactional id is opened, which fences the old one, and the checkpoint is read again; an unknown
outcome is never guessed.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from uuid import UUID

import asyncpg
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaException

from contracts.topics import OUTPUT_TOPICS
from workers import timeouts
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint, Moved
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.last_record import LeftOpen, NoAnswer
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import Fenced, Outgoing, PublishError, TransactionalProducer
from workers.ops import metrics as names
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
"""The most rows of a transaction; large ones are fewer (`workers.store.postgres.READ_BYTES`)."""
BUSY = 100
GATHER_SECONDS = 0.1
"""After a transaction of at least BUSY rows, more are let gather: what a transaction costs the brokers hardly
depends on its size, and small ones by the hundred took more of a small machine than all the judging.
"""
IDLE_SECONDS = 1.0
TOPICS_SECONDS = 5.0
"""How often the relay asks whether the topics are those that were set up."""
TRIES = 20
ROOM_SECONDS = 60.0
"""How often it is looked whether the log has room ahead."""
ENDED = "standing_relay_ended"
"""The channel on which a relay that stops in order says so."""


@dataclass(slots=True)
class Shard:
    """One shard of the log on its way to Kafka."""

    number: int
    store: DecisionLog
    producer: TransactionalProducer
    incarnation: UUID
    prefix: str
    partitions: int
    """Of each output topic, as it was set up."""
    compare: Callable[[], Awaitable[None]]
    """Compares what was published with the log; raises CheckpointLost where a checkpoint is missing."""
    seq: int = 0

    async def open(self) -> None:
        """Fence whoever published this shard, read the checkpoint, and compare it with the log."""
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
        """The last row that a read_committed reader sees, whoever published it, and whether others wait."""
        value = await self.producer.visible_value(self.prefix + CHECKPOINTS_TOPIC, self.number)
        seq = 0 if value is None else Checkpoint.decode(self.number, value).seq
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
            [
                *(message(self.prefix, self.partitions, row) for row in rows),
                checkpoint_message(self.prefix, self.number, checkpoint),
            ]
        )
        self.seq = rows[-1].seq
        return len(rows)


def shard_producer(kafka: KafkaAccess, prefix: str, shard: int) -> TransactionalProducer:
    """The producer of a shard, of which all but the newest are fenced."""
    return TransactionalProducer(kafka, f"{prefix}standing-relay-{shard}")


async def fence(producer: TransactionalProducer, prefix: str, shard: int) -> bytes | None:
    """Fence whoever published the shard; what its newest checkpoint holds then, None where it has none."""
    place = (prefix + CHECKPOINTS_TOPIC, shard)
    await producer.open()
    try:
        return await producer.last_value(*place)
    except LeftOpen as error:
        log.warning("a transaction that Kafka never ended is aborted", shard=shard, why=str(error))
        await producer.end_what_is_open([prefix + topic for topic in OUTPUT_TOPICS], place)
        return await producer.last_value(*place)


def message(prefix: str, partitions: int, row: LogRow) -> Outgoing:
    """A row of the log as it is published.

    Its partition is one of those that were set up, also where the topic has got more since: the messages of a key
    keep their order, and compaction keeps the newest of them alone.
    """
    headers = [(name, value.encode()) for name, value in json.loads(row.headers)]
    partition = None if row.key is None else partition_of(row.key, partitions)
    return Outgoing(prefix + row.topic, row.key, headers, row.value, partition)


@lru_cache(20_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Java's clients choose it."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


def checkpoint_message(prefix: str, shard: int, checkpoint: Checkpoint) -> Outgoing:
    """The record that holds a checkpoint."""
    return Outgoing(prefix + CHECKPOINTS_TOPIC, str(shard).encode(), (), checkpoint.encode(), shard)


@dataclass(slots=True)
class Opening:
    """The shards that are not open yet. Nothing is published before all are, so each has a checkpoint by then."""

    left: set[int]
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def opened(self, shard: int) -> None:
        """A shard was opened, and has a checkpoint."""
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
    """Publish every shard until `stop` is set; raises where a shard cannot go on, or `check_topics` does.

    `ended` hears of other relays' ends; `make_room` makes parts of the log ahead of need and says how many.
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
    """Ask now and then whether the topics are still those that were set up."""
    while not stop.is_set():
        try:
            await check_topics()
        except (KafkaUnreachable, KafkaException) as error:
            log.warning("topics not checked", error=repr(error))
        await _wait(stop, TOPICS_SECONDS)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):  # looked at again by who asked
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
                "another relay publishes this shard: this one stands by, and takes over once rows wait for so long",
                shard=shard.number,
                seconds=standby.patience,
            )
            await shard.producer.close()
        except (PublishError, NoAnswer, *TRANSIENT) as error:
            _recycled(shard, vitals, error)
            await backoff.failed(error)
    await shard.producer.close()
    if not fenced and _name(shard) not in vitals.lacks:
        await _say_that_it_ends(shard)


async def _say_that_it_ends(shard: Shard) -> None:
    """Tell a relay that stands by; it finds out by itself too, only later."""
    try:
        async with asyncio.timeout(timeouts.GOODBYE_SECONDS):
            await shard.store.notify_relay_ended()
    except TRANSIENT as error:
        log.warning("no other relay was told that this one ends", shard=shard.number, error=repr(error))


async def _look(shard: Shard, vitals: Vitals, backoff: Backoff) -> tuple[int, bool]:
    vitals.turned(_name(shard))
    found = await shard.published()
    backoff.succeeded()
    vitals.answered("database", "kafka")
    vitals.has(_name(shard), really=True)  # as a spare
    return found


def _name(shard: Shard) -> str:
    return f"shard {shard.number}"


def _recycled(shard: Shard, vitals: Vitals, error: Exception) -> None:
    vitals.has(_name(shard), really=False)
    log.warning("producer recycled", shard=shard.number, server=server_of(error), error=repr(error))
    vitals.metrics.count(names.RECYCLED, shard=str(shard.number))


async def _publish(
    shard: Shard, opening: Opening, bell: Bell, vitals: Vitals, backoff: Backoff, stop: asyncio.Event
) -> None:
    """Take the shard over and publish it until `stop` is set or something fails."""
    name = _name(shard)
    vitals.turned(name)
    await shard.store.log_row_hash(shard.number, shard.seq)  # without a database it must fence nobody
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
            await _wait(stop, GATHER_SECONDS)  # they have gathered
        backoff.succeeded()


async def _keep_room(make_room: Callable[[], Awaitable[int]], vitals: Vitals, stop: asyncio.Event) -> None:
    """Make parts of the log ahead of need, until `stop` is set."""
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        await try_once(partial(_make_room, make_room), backoff, TRANSIENT)
        with suppress(TimeoutError):
            async with asyncio.timeout(ROOM_SECONDS):
                await stop.wait()


async def _make_room(make_room: Callable[[], Awaitable[int]]) -> None:
    try:
        if made := await make_room():
            log.info("parts of the decision log were made", count=made)
    except asyncpg.CheckViolationError:
        log.error("rows of the decision log found no part: run `standing setup`, which makes one for them")


async def _publish_some(shard: Shard, vitals: Vitals) -> int:
    began = time.perf_counter()
    count = await shard.publish_some()
    vitals.answered("database")
    if count:
        vitals.answered("kafka")
        vitals.metrics.count(names.PUBLISHED, count, shard=str(shard.number))
        vitals.metrics.observe(names.PUBLISH_MESSAGES, count)
        vitals.metrics.observe(names.PUBLISH_SECONDS, time.perf_counter() - began)
    return count
