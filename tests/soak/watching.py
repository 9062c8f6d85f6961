"""What a soak observes while it runs: the progress of the deployment, and violations in its output.

It only reads, from the servers directly. A `read_committed` reader must see each `ce_id` once, and an account's or
company's messages of a topic in order. The checker says at the end whether they are the right ones.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import cast

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from tests.support.seen import OUTPUT_TOPICS
from workers.store.postgres import TRANSIENT

POLL_SECONDS = 0.5
READ_AT_ONCE = 2000
LOOK_SECONDS = 0.25
CONNECT_SECONDS = 5.0
POSITIONS = """
select topic, partition, next_offset, paused is not null as is_paused
from positions left join dead_letter_windows using (topic, partition)
"""
DECISIONS = "select coalesce(sum(next_seq - 1), 0)::int from shards"


@dataclass
class Reader:
    """Reads the output topics as they grow."""

    bootstrap: str
    prefix: str
    partitions: int
    violations: list[str]
    published: int = 0
    _ids: set[str] = field(default_factory=set)
    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "soak",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        numbers = range(self.partitions)
        consumer.assign([TopicPartition(self.prefix + topic, each, 0) for topic in OUTPUT_TOPICS for each in numbers])
        try:
            while not stop.is_set():
                await asyncio.to_thread(self._read, consumer)
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> None:
        for message in consumer.consume(READ_AT_ONCE, POLL_SECONDS):
            if message.error() is not None:
                continue  # the broker is away; the consumer goes on by itself
            headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
            topic = (message.topic() or "").removeprefix(self.prefix)
            self.take(topic, headers["ce_id"].decode(), headers["ce_subject"].decode(), message.value() or b"{}")

    def take(self, topic: str, ce_id: str, subject: str, value: bytes) -> None:
        """One message, after those before."""
        self.published += 1
        if ce_id in self._ids:
            self.violations.append(f"{topic} {ce_id} came twice")
        self._ids.add(ce_id)
        if topic == "dead-letters":
            return
        sequence = json.loads(value)["sequence"]
        if sequence < self._last.get((topic, subject), 0):
            self.violations.append(f"{topic} of {subject} is out of order at {sequence}")
        self._last[topic, subject] = sequence


@dataclass
class Figures:
    """The database's progress, read several times a second; its last answer while it is unreachable."""

    database_url: str
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    paused: frozenset[tuple[str, int]] = frozenset()
    decisions: int = 0
    _looked: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def facts(self) -> int:
        """How many records were processed."""
        return sum(self.positions.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        connection: asyncpg.Connection | None = None
        while not stop.is_set():
            try:
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(self.database_url, timeout=CONNECT_SECONDS)
                rows = await connection.fetch(POSITIONS, timeout=CONNECT_SECONDS)
                decisions = await connection.fetchval(DECISIONS, timeout=CONNECT_SECONDS)
                self.positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
                self.paused = frozenset((row["topic"], row["partition"]) for row in rows if row["is_paused"])
                self.decisions = decisions  # at least those of the facts
                async with self._looked:
                    self._looked.notify_all()
            except (*TRANSIENT, asyncpg.InterfaceError):
                if connection is not None:
                    connection.terminate()
                connection = None
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        if connection is not None:
            await connection.close()

    async def next(self) -> None:
        """Wait until the database was looked at again."""
        async with self._looked:
            await self._looked.wait()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of the figures."""
        while not true():
            await self.next()


@dataclass
class Recoveries:
    """How long it took, after each fault, until everything sent by then was processed and published."""

    figures: Figures
    reader: Reader
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def after(self, fault: str, sent: int, stop: asyncio.Event) -> None:
        """Wait for what was sent when a fault ended."""
        began = time.monotonic()
        decisions: int | None = None
        while not stop.is_set():
            if decisions is None and self.figures.facts >= sent:
                decisions = self.figures.decisions
            if decisions is not None and self.reader.published >= decisions:
                self.seconds[fault].append(time.monotonic() - began)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    def summary(self) -> dict[str, dict[str, float]]:
        """Tries and seconds by fault."""
        return {
            fault: {
                "recovered": len(each),
                "median_seconds": round(median(each), 1),
                "longest_seconds": round(max(each), 1),
            }
            for fault, each in sorted(self.seconds.items())
        }
