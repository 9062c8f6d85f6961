"""The relay: publishes the decision log to Kafka, each row exactly once to a `read_committed` reader.

Owns the mark: seq, chain hash and incarnation of the last row published, a record written in the same Kafka
transaction as the rows. After any error a new producer with the same transactional id is opened, which fences
the old one, and the mark is read again; an unknown outcome is never guessed.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from workers.kafka.last_record import LeftOpen, NoAnswer
from workers.kafka.transactional_producer import Outgoing, PublishError, TransactionalProducer
from workers.marks import Mark, Moved, SetBack
from workers.ops import metrics as names
from workers.ops.backoff import Backoff, insist
from workers.ops.blame import server_of
from workers.ops.health import Vitals
from workers.store.listener import Bell, Listener
from workers.store.log_parts import make_room
from workers.store.postgres import TRANSIENT, Store
from workers.store.records import LogRow

log = structlog.get_logger()

CHUNK = 5000
"""The most rows of a transaction; large ones are fewer (`workers.store.postgres.READ_BYTES`)."""
BUSY = 100
GATHER_SECONDS = 0.1
"""After a transaction of at least BUSY rows, more are let gather: what a transaction costs the brokers hardly
depends on its size, and small ones by the hundred took more of a small machine than all the judging.
"""
IDLE_SECONDS = 1.0
TRIES = 20
ROOM_SECONDS = 60.0
"""How often it is looked whether the log has room ahead."""


@dataclass(slots=True)
class Shard:
    """One shard of the log on its way to Kafka."""

    number: int
    store: Store
    producer: TransactionalProducer
    incarnation: UUID
    prefix: str
    marks_topic: str
    topics: Sequence[str] = ()
    """All that messages may go to."""
    seq: int = 0

    async def open(self) -> None:
        """Fence whoever published this shard, read the mark, and compare it with the log."""
        await self.producer.open()
        try:
            value = await self.producer.last_value(self.marks_topic, self.number)
        except LeftOpen as error:
            log.warning("a transaction that Kafka never ended is aborted", shard=self.number, why=str(error))
            await self.producer.end_what_is_open(self.topics, (self.marks_topic, self.number))
            value = await self.producer.last_value(self.marks_topic, self.number)
        if value is None:
            self.seq = 0
            return
        mark = Mark.decode(value)
        mark.compare(self.number, self.incarnation, await self.store.log_row_hash(self.number, mark.seq))
        self.seq = mark.seq

    async def publish_some(self) -> int:
        """Publish the next rows in one Kafka transaction; returns how many."""
        rows = await self.store.read_log(self.number, self.seq, CHUNK)
        if not rows:
            return 0
        for expected, row in enumerate(rows, self.seq + 1):
            assert row.seq == expected, f"shard {self.number} has a gap before seq {row.seq}"
        await self.producer.publish([*(self._outgoing(row) for row in rows), self._mark(rows)])
        self.seq = rows[-1].seq
        return len(rows)

    def _outgoing(self, row: LogRow) -> Outgoing:
        headers = [(name, value.encode()) for name, value in json.loads(row.headers)]
        return Outgoing(self.prefix + row.topic, row.key, headers, row.value)

    def _mark(self, rows: Sequence[LogRow]) -> Outgoing:
        mark = Mark(rows[-1].seq, rows[-1].hash, self.incarnation)
        return Outgoing(self.marks_topic, str(self.number).encode(), (), mark.encode(), self.number)


async def run(shards: Sequence[Shard], listener: Listener, vitals: Vitals, stop: asyncio.Event) -> None:
    """Publish every shard until `stop` is set; raises where a shard cannot go on."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for shard in shards:
                tasks.create_task(_run_shard(shard, listener.bell(), vitals, stop))
            tasks.create_task(_keep_room(shards[0].store, vitals, stop))
    except* (SetBack, Moved) as refused:
        raise refused.exceptions[0] from None


async def _run_shard(shard: Shard, bell: Bell, vitals: Vitals, stop: asyncio.Event) -> None:
    backoff = Backoff(TRIES, vitals.failed)
    name = f"shard {shard.number}"
    vitals.has(name, really=False)
    while not stop.is_set():
        try:
            vitals.turned(name)
            await shard.store.log_row_hash(shard.number, shard.seq)  # without a database it must fence nobody
            vitals.answered("database")
            await shard.open()
            vitals.answered("kafka")
            vitals.has(name, really=True)
            while not stop.is_set():
                vitals.turned(name)
                count = await _publish_some(shard, vitals)
                if count == 0:
                    await bell.wait(IDLE_SECONDS, stop)
                elif count >= BUSY:
                    with suppress(TimeoutError):  # they have gathered
                        async with asyncio.timeout(GATHER_SECONDS):
                            await stop.wait()
                backoff.succeeded()
        except (PublishError, NoAnswer, *TRANSIENT) as error:
            vitals.has(name, really=False)
            log.warning("producer recycled", shard=shard.number, server=server_of(error), error=repr(error))
            vitals.metrics.count(names.RECYCLED, shard=str(shard.number))
            await backoff.failed(error)
    await shard.producer.close()


async def _make_room(store: Store) -> None:
    try:
        if made := await make_room(store.pool):
            log.info("parts of the decision log were made", count=made)
    except asyncpg.CheckViolationError:
        log.error("rows of the decision log found no part: run `standing setup`, which makes one for them")


async def _keep_room(store: Store, vitals: Vitals, stop: asyncio.Event) -> None:
    """Make parts of the log ahead of need, until `stop` is set."""
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        await insist(partial(_make_room, store), backoff, TRANSIENT)
        with suppress(TimeoutError):
            async with asyncio.timeout(ROOM_SECONDS):
                await stop.wait()


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
