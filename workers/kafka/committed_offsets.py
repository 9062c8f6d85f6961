"""Kafka's committed offsets, for lag dashboards and autoscalers: a copy of the stored positions that no worker reads.

They are written a few seconds after the database's commit. The invariant: a failure to write them is logged and
counted, and has no other effect.
"""

import asyncio
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from workers import timeouts
from workers.ops.logs import Log

log = Log()

WRITE_SECONDS = 5.0
"""The shortest interval between two commits of offsets."""


class CommittedOffsets:
    """The committed offsets of one consumer, and those to commit next."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._stored: dict[TopicPartition, int] = {}
        self._written: dict[TopicPartition, int] = {}
        self._again_at = 0.0
        self._failing = False

    def stored(self, place: TopicPartition, offset: int) -> None:
        """Record that the database has this position."""
        self._stored[place] = offset

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Forget partitions that another worker may own now."""
        for place in places:
            self._stored.pop(place, None)
            self._written.pop(place, None)

    async def write_sometimes(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what changed, unless that was done within WRITE_SECONDS."""
        now = asyncio.get_running_loop().time()
        if now >= self._again_at:
            self._again_at = now + WRITE_SECONDS
            await self.write(consumer)

    async def write(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what changed."""
        changed = {place: offset for place, offset in self._stored.items() if self._written.get(place) != offset}
        if not changed:
            return
        try:
            async with asyncio.timeout(timeouts.OFFSETS_SECONDS):
                await consumer.commit(changed)
        except (KafkaError, TimeoutError) as error:
            if not self._failing:
                log.warning("committed offsets not written; this affects only lag monitoring", error=repr(error))
            self._failing = True
            self._failed(error)
        else:
            self._failing = False
            self._written |= changed
