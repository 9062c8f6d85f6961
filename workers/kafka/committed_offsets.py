"""Kafka's committed offsets, for lag dashboards and autoscalers: a copy of the stored positions that no worker reads.

They are written a few seconds after the database's commit. The invariant: a failure to write them is logged and
counted, and has no other effect.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from aiokafka.errors import KafkaError

from contracts.topics import Partition
from workers import timeouts
from workers.ops.logs import Log

log = Log()

WRITE_SECONDS = 5.0
"""The shortest interval between two commits of offsets."""


class Committing(Protocol):
    """The consumer."""

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit offsets."""
        ...


class CommittedOffsets:
    """The committed offsets of one consumer, and when it commits next."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._written: Mapping[Partition, int] = {}
        self._again_at = 0.0
        self._failing = False

    async def write_sometimes(self, consumer: Committing, stored: Mapping[Partition, int]) -> None:
        """Commit the stored positions that changed, unless that was done within WRITE_SECONDS."""
        now = asyncio.get_running_loop().time()
        if now >= self._again_at:
            self._again_at = now + WRITE_SECONDS
            await self.write(consumer, stored)

    async def write(self, consumer: Committing, stored: Mapping[Partition, int]) -> None:
        """Commit the stored positions that changed."""
        changed = {place: offset for place, offset in stored.items() if self._written.get(place) != offset}
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
            self._written = dict(stored)  # without those that another owns now, which may write what it stored
