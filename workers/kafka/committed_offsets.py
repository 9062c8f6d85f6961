"""Kafka's committed offsets, for lag dashboards and autoscalers: a copy of the stored positions that no worker reads.

Owns when they are written: after the database's commit, a few seconds later, never in a worker's way. The invariant:
a failure to write them is logged and counted, and changes nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from workers import timeouts
from workers.ops.logs import Log

log = Log()

WRITE_SECONDS = 5.0
"""How often they are written, at most."""


class CommittedOffsets:
    """What one consumer has written, and what is to be written next."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._heard = failed
        self._stored: dict[TopicPartition, int] = {}
        self._written: dict[TopicPartition, int] = {}
        self._again_at = 0.0
        self._failing = False

    def stored(self, place: TopicPartition, offset: int) -> None:
        """The database has this position."""
        self._stored[place] = offset

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Another may own them, and write what it stored."""
        for place in places:
            self._stored.pop(place, None)
            self._written.pop(place, None)

    async def write_sometimes(self, consumer: AIOKafkaConsumer) -> None:
        """Write what changed, where it is time to."""
        now = asyncio.get_running_loop().time()
        if now >= self._again_at:
            self._again_at = now + WRITE_SECONDS
            await self.write(consumer)

    async def write(self, consumer: AIOKafkaConsumer) -> None:
        """Write what changed."""
        changed = {place: offset for place, offset in self._stored.items() if self._written.get(place) != offset}
        if not changed:
            return
        try:
            async with asyncio.timeout(timeouts.OFFSETS_SECONDS):
                await consumer.commit(changed)
        except (KafkaError, TimeoutError) as error:
            if not self._failing:
                log.warning(
                    "Kafka's committed offsets are not written; only who measures lag misses them", error=repr(error)
                )
            self._failing = True
            self._heard(error)
        else:
            self._failing = False
            self._written |= changed
