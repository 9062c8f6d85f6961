"""The ingest worker: the loop that reads, and beside it the heartbeats and the cases that wait for the registry.

Owns how these three run together, and when each is tried again.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol

from contracts.topics import Partition
from workers.ingest.heartbeat import Brokers, Heartbeat, Present
from workers.ingest.loop import Loop
from workers.ingest.poll_size import FIRST
from workers.ingest.processing import Processing
from workers.ingest.protocols import InputConsumer
from workers.ingest.registry import Ends, Registry
from workers.kafka.consumer import KAFKA_TRANSIENT
from workers.ops import metrics
from workers.ops.backoff import Backoff, try_once
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.store.listener import Bell
from workers.store.postgres import TRANSIENT, LostOwnership

log = Log()

HEARTBEAT_SECONDS = 5.0
"""How often a worker proves under the wall clock how far it has read, although nobody asks."""
END_CHECK_SECONDS = 0.25
"""How often it does so where somebody asks, and where histories are played."""
WAITING_SECONDS = 0.02
"""How often it is looked whether a case that waits for the registry may go on."""
TRIES = 8


class IngestKafka(InputConsumer, Brokers, Ends, Protocol):
    """What the worker asks of Kafka."""


class Ingest:
    """One ingest worker."""

    def __init__(
        self,
        processing: Processing,
        kafka: IngestKafka,
        present: Present,
        input_partitions: int,
        batch_size: int = FIRST,
    ) -> None:
        self.processing = processing
        self.loop = Loop(kafka, processing, processing.vitals, batch_size)
        self.registry = Registry(processing.store, kafka)
        self.heartbeat = Heartbeat(processing, kafka, present, input_partitions, self.loop.align)

    @property
    def vitals(self) -> Vitals:
        return self.processing.vitals

    async def run(self, stop: asyncio.Event, asked: Bell) -> None:
        """Read until `stop` is set; `asked` rings when somebody waits for a heartbeat.

        Raises what made it impossible to go on: the process must be started again.
        """
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(each) for each in (self._heartbeats(stop, asked), self._waiting_cases(stop))]
            await self.loop.run(stop)
            for each in beside:
                each.cancel()

    async def _waiting_cases(self, stop: asyncio.Event) -> None:
        backoff = self._backoff()
        began = self.processing.case_began_to_wait
        while not stop.is_set():
            self.vitals.turned("waiting cases")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_look()):
                    await began.wait()
            began.clear()
            await try_once(self.let_cases_go_on, backoff, (*TRANSIENT, *KAFKA_TRANSIENT))

    def _until_look(self) -> float:
        waits = [each.wait for each in self.processing.owned.values() if each.wait is not None]
        if not waits:
            return HEARTBEAT_SECONDS
        return END_CHECK_SECONDS if all(each.targets is None for each in waits) else WAITING_SECONDS

    async def let_cases_go_on(self) -> None:
        """Go on with partitions whose cases need not wait for the registry any longer."""
        self.loop.align(await self.registry.let_cases_go_on(self.processing.owned))

    async def _heartbeats(self, stop: asyncio.Event, asked: Bell) -> None:
        backoff = self._backoff()
        while not stop.is_set():
            self.vitals.turned("heartbeats")
            try:
                await try_once(partial(self._beat, stop, asked), backoff, (*TRANSIENT, *KAFKA_TRANSIENT))
            except LostOwnership as error:
                log.warning("partitions are claimed again", why=str(error))
                await backoff.failed(error)
                await try_once(self.loop.reclaim, self._backoff(), (*TRANSIENT, *KAFKA_TRANSIENT))

    async def _beat(self, stop: asyncio.Event, asked: Bell) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_CHECK_SECONDS):
                await stop.wait()
        if self.processing.owned and not self.heartbeat.present.events:
            await asked.wait(HEARTBEAT_SECONDS - END_CHECK_SECONDS, stop)
        await self.heartbeat.beat()

    def _backoff(self) -> Backoff:
        return Backoff(TRIES, self.vitals.failed)

    def measure(self) -> None:
        """Set the gauges of this worker's partitions."""
        gauges, owned = self.vitals.metrics, self.processing.owned
        halted: Mapping[Partition, str] = {
            place: name for place, each in owned.items() if (name := each.halted_by) is not None
        }
        gauges.clear(metrics.LAG)
        for (topic, partition), each in owned.items():
            gauges.set(metrics.LAG, each.lag, topic=topic, partition=str(partition))
        gauges.set(metrics.PARTITIONS, len(owned))
        gauges.set(metrics.HALTED, len(halted))
        gauges.clear(metrics.HALTED_BY)
        for (topic, partition), error in halted.items():
            gauges.set(metrics.HALTED_BY, 1, topic=topic, partition=str(partition), error=error)
        gauges.set(metrics.CASES_WAITING, sum(each.wait is not None for each in owned.values()))
