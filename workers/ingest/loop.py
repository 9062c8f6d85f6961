"""The loop of the ingest worker: poll, decode, unit of work, apply.

Owns the order of these steps and what happens when one fails. The next fetch is decoded while the database works
(docs/decisions/0003); one unit of work runs at a time. The invariant: before every poll the consumer stands where
each owned partition wants it to.
"""

import asyncio
import time
from collections.abc import Awaitable, Collection, Iterable, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from contracts.topics import Partition
from workers.ingest.halts import Halts
from workers.ingest.partition import OwnedPartition, PartitionBatch, Pause, Resume, Seek
from workers.ingest.poll_size import FIRST, PollSize
from workers.ingest.protocols import Handler, InputConsumer
from workers.ingest.transitions import State
from workers.kafka import fetch_errors
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.committed_offsets import CommittedOffsets
from workers.kafka.consumer import RECREATED
from workers.ops import metrics
from workers.ops.backoff import Backoff
from workers.ops.blame import server_of
from workers.ops.health import Vitals
from workers.ops.logs import Log

log = Log()

TRIES = 8
TEND_SECONDS = 0.25


class Loop:
    """Reads the owned partitions, and listens to what happens to the consumer."""

    def __init__(self, kafka: InputConsumer, handler: Handler, vitals: Vitals, batch_size: int = FIRST) -> None:
        self.kafka = kafka
        self.handler = handler
        self._vitals = vitals
        self._size = PollSize(batch_size)
        self._halts = Halts(vitals)
        self._offsets = CommittedOffsets(vitals.failed)
        self._working: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._poll_backoff = Backoff(TRIES, vitals.failed, first_seconds=0.1, longest_seconds=2.0)
        self._work_backoff = Backoff(TRIES, vitals.failed)

    @property
    def owned(self) -> dict[Partition, OwnedPartition]:
        """The partitions that are read."""
        return self.handler.owned

    # -- running -------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set; raises what made it impossible to go on: the process must be started again."""
        await self.kafka.start(self)
        tasks = [asyncio.create_task(self._guard(each)) for each in (self._read(), self._tend())]
        try:
            await _first_of(stop, self._failed)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._finish_commit()
            if self._failure is None:
                await self._offsets.write(self.kafka, self._stored())
            try:
                await self.kafka.stop(len(self.owned))
            except Exception as error:
                self.failed(error)  # of two errors the first is raised
        if self._failure is not None:
            raise self._failure

    async def _read(self) -> None:
        while True:
            batches = await self.poll()
            if not batches:
                await asyncio.sleep(0)  # an answer that is there already must not keep the others waiting
                continue
            decoded = await self.handler.decode(batches)
            await self._finish_commit()
            self._working = asyncio.create_task(self._work(decoded))
            await asyncio.sleep(0)  # the database is asked before the next fetch is parsed, not after it

    async def poll(self) -> list[PartitionBatch]:
        """One poll; what was fetched from elsewhere than its partition wanted is dropped."""
        self.align()
        self._vitals.turned("polls")
        asked = {place: (each, each.fetch_offset) for place, each in self.owned.items()}
        try:
            records = await self.kafka.poll(self._size.records, patiently=self._rests)
        except KafkaError as error:
            await self._poll_failed(error)
            return []
        if records is None:
            return []  # the next poll begins with a seek to where this one began
        self._poll_backoff.succeeded()
        self._size.polled(sum(map(len, records.values())))
        batches = []
        for place, (partition, asked_from) in asked.items():
            if self.owned.get(place) is not partition or (reached := self.kafka.position(place)) == asked_from:
                continue  # it was revoked or claimed again meanwhile, or nothing of it came
            decided = self.kafka.decided_until(place)
            batch = partition.fetched(asked_from, reached, records.get(place, ()), decided)
            batches += [] if batch is None else [batch]
        self._halts.show(self.owned)
        return batches

    @property
    def _rests(self) -> bool:
        """Whether only what is fetched can change what a partition needs."""
        is_working = self._working is not None and not self._working.done()
        return not is_working and all(each.state is State.READING for each in self.owned.values())

    def align(self, places: Iterable[Partition] | None = None) -> None:
        """Have the consumer do what these partitions need; all of them where none are named."""
        assigned, paused = self.kafka.assigned(), self.kafka.paused()
        for place in list(self.owned) if places is None else places:
            if place not in assigned or (partition := self.owned.get(place)) is None:
                continue  # it is not read: it was revoked while it was claimed again
            for action in partition.actions(self.kafka.position(place), place in paused):
                match action:
                    case Seek(offset):
                        self.kafka.seek(place, offset)
                    case Pause():
                        self.kafka.pause(place)
                    case Resume():
                        self.kafka.resume(place)

    async def _work(self, decoded: Any) -> None:
        began = time.perf_counter()
        try:
            await self.handler.process(decoded)
        except Exception as error:
            log.warning("batch rolled back", server=server_of(error), error=repr(error))
            await self._guard(self._recover(error))
        else:
            self._size.worked(time.perf_counter() - began)
            self._work_backoff.succeeded()
            self.align()

    async def _finish_commit(self) -> None:
        """Wait until the unit of work under way has ended, well or badly."""
        if self._working is not None and self._working is not asyncio.current_task():
            await asyncio.shield(self._working)

    # -- failures ------------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """End `run` with this error."""
        self._failure = self._failure or error
        self._failed.set()

    async def _guard(self, work: Awaitable[None]) -> None:
        """Do something in a task of its own, where an exception would go unseen."""
        try:
            await work
        except Exception as error:
            self.failed(error)

    async def _recover(self, error: Exception) -> None:
        """Back off, then read again from where the database says; gives up after some tries."""
        await self._work_backoff.failed(error)
        await self.reclaim()

    async def reclaim(self) -> None:
        """Drop what was fetched, claim every partition again, and read from where the database says."""
        await self._finish_commit()
        if self.owned:
            await self._claim(list(self.owned))

    async def _poll_failed(self, error: KafkaError) -> None:
        """Kafka refused a poll: back off, and give up after some tries."""
        log.warning("poll failed", error=repr(error))
        try:
            await self._poll_backoff.failed(error)
        except KafkaError as last:
            self.failed(KafkaUnreachable(f"{self.kafka}: {last}"))

    # -- what happens to the consumer ----------------------------------------------------------------------

    async def revoked(self) -> None:
        """Finish the unit of work under way, then own nothing: the next assignment claims again."""
        await self._finish_commit()
        places = list(self.owned)
        self._halts.forget(places)
        if places:
            await self.handler.release(places)

    async def assigned(self, places: Collection[Partition]) -> None:
        """Claim what was assigned, and read it from where the database says."""
        await self._finish_commit()
        if others := [place for place in self.owned if place not in places]:
            await self.handler.release(others)  # they were claimed again while they were revoked
        if places:
            await self._claim(places)

    async def _claim(self, places: Collection[Partition]) -> None:
        recreated = await self.kafka.recreated(topic for topic, _ in places)
        await self.handler.claim(sorted(places))
        self._halts.forget(places)  # tried from the beginning
        for topic in recreated:  # nothing was awaited since the claim, so nothing of them was read
            self.topic_recreated(topic)
        self.align(places)
        for place in self.kafka.assigned():
            if place in places and place not in self.owned:
                log.error("partition not read: added after the set-up", topic=place[0], number=place[1])
                self.kafka.seek(place, 0)
                self.kafka.pause(place)

    def fetch_answered(self, place: Partition, offset: int, error: str | None, is_empty: bool) -> None:
        """A broker answered a fetch; whether what it sent can be read shows in the next poll."""
        partition = self.owned.get(place)
        if partition is None or self.kafka.position(place) != offset:
            return
        if error is not None:
            self.fetch_failed(place, error, "the broker's answer to a fetch")
        elif is_empty and partition.failure is not None:
            partition.fetch_succeeded()
            self._halts.show(self.owned)

    def fetch_failed(self, place: Partition, name: str, why: str) -> None:
        """A partition cannot be fetched from; it is tried again after a pause."""
        if (partition := self.owned.get(place)) is not None:
            self._vitals.metrics.count(metrics.FETCH_ERRORS, topic=place[0], partition=str(place[1]), error=name)
            partition.fetch_failed(name, asyncio.get_running_loop().time())
            self._halted(place, why)

    def position_lost(self, place: Partition, name: str, why: str) -> None:
        """A partition cannot be read on until it is claimed again; it is never skipped or reset."""
        if (partition := self.owned.get(place)) is not None:
            partition.position_lost(name)
            self._halted(place, why)

    def topic_recreated(self, topic: str) -> None:
        """A topic is not the one that was set up."""
        for place in [each for each in self.owned if each[0] == topic]:
            self.position_lost(place, fetch_errors.UNKNOWN_TOPIC_ID, RECREATED)

    def is_halted(self, topic: str) -> bool:
        """Whether a partition of the topic is known to be unreadable."""
        return any(not each.is_readable for place, each in self.owned.items() if place[0] == topic)

    def _halted(self, place: Partition, why: str) -> None:
        self._halts.show(self.owned, why)
        self.align([place])

    # -- beside the polls ----------------------------------------------------------------------------------

    async def _tend(self) -> None:
        """For ever: look for partitions without a leader, try again what failed, and tell Kafka what is stored."""
        while True:
            await asyncio.sleep(TEND_SECONDS)
            for place in [place for place, each in self.owned.items() if each.is_readable]:
                if not self.kafka.has_leader(place):
                    self.fetch_failed(place, fetch_errors.LEADER_NOT_AVAILABLE, "no broker leads it")
            now = asyncio.get_running_loop().time()
            if due := [place for place, each in self.owned.items() if each.is_due(now)]:
                await self._try_again(due)
            await self._offsets.write_sometimes(self.kafka, self._stored())

    async def _try_again(self, due: Sequence[Partition]) -> None:
        """Fetch again, unless the topic is another one now."""
        tried = {place: self.owned[place] for place in due}
        try:
            recreated = await self.kafka.recreated(topic for topic, _ in due)
        except (KafkaUnreachable, KafkaException) as error:
            self._vitals.failed(error)
            return
        for topic in recreated:
            self.topic_recreated(topic)
        for partition in tried.values():
            partition.retry()
        self.align(due)

    def _stored(self) -> dict[Partition, int]:
        return {place: each.next_offset for place, each in self.owned.items()}


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waits = [asyncio.ensure_future(each.wait()) for each in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
