"""Input topics of a test's own on a real broker, and a loop at work on them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from contracts.topics import Partition
from tests.support.broker import Message, delete_topic, make_topic, produce
from tests.support.stored import Positions, Worker
from workers.ingest.loop import Loop
from workers.kafka.admin import Admin, end_offsets
from workers.kafka.consumer import Consumer
from workers.kafka.security import KafkaAccess
from workers.ops.health import Vitals

TOPICS = ("orders", "cases")


@dataclass(frozen=True, slots=True)
class Stream:
    """Input topics of a test of its own, under a prefix."""

    bootstrap: str
    prefix: str

    def reading(
        self,
        instance: str = "one",
        batch_size: int = 500,
        topic_ids: Mapping[str, str] | None = None,
        vitals: Vitals | None = None,
    ) -> "Reading":
        consumer = Consumer(
            kafka=KafkaAccess(self.bootstrap),
            topics=TOPICS,
            prefix=self.prefix,
            group=f"{self.prefix}group",
            instance_id=instance,
            topic_ids=topic_ids,
        )
        return Reading(consumer, vitals or Vitals(), batch_size)

    def produce(self, messages: list[Message], topic: str = "orders", partition: int = 0, **options: object) -> None:
        produce(self.bootstrap, self.prefix + topic, messages, partition=partition, **options)

    async def ends(self) -> Mapping[Partition, int]:
        found = await end_offsets(Admin(KafkaAccess(self.bootstrap)), [self.prefix + topic for topic in TOPICS])
        return {(topic.removeprefix(self.prefix), number): end for (topic, number), end in found.items()}

    async def topic_ids(self) -> dict[str, str]:
        """Kafka's id of each topic."""
        found = await Admin(KafkaAccess(self.bootstrap)).describe([self.prefix + topic for topic in TOPICS])
        return {name.removeprefix(self.prefix): state.topic_id for name, state in found.items()}

    async def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again."""
        delete_topic(self.bootstrap, self.prefix + topic)
        while topic in await self.topic_ids():
            pass
        await make_topic(self.bootstrap, 3, self.prefix + topic)


@dataclass(slots=True)
class Reading:
    """A consumer with a loop, once it runs."""

    consumer: Consumer
    vitals: Vitals
    batch_size: int
    _loop: Loop | None = None

    async def run(self, worker: Worker, stop: asyncio.Event) -> None:
        self._loop = Loop(self.consumer, worker, self.vitals, self.batch_size)
        await self._loop.run(stop)

    @property
    def loop(self) -> Loop:
        assert self._loop is not None
        return self._loop

    @property
    def halted_by(self) -> dict[Partition, str]:
        """The partitions shown as halted, and by which error."""
        owned = {} if self._loop is None else self._loop.owned
        return {place: name for place, each in owned.items() if (name := each.halted_by) is not None}

    @property
    def halted(self) -> list[Partition]:
        return sorted(self.halted_by)

    def block(self, place: Partition) -> None:
        """A case begins to wait in a partition."""
        self.loop.owned[place].case_must_wait(covers=0)
        self.loop.align([place])

    def unblock(self, place: Partition) -> None:
        """It need not wait any longer."""
        self.loop.owned[place].registry_reached()
        self.loop.align([place])

    async def ends(self) -> Mapping[Partition, int]:
        """Where the partitions end that can be read."""
        owned = self.loop.owned.items()
        return await self.consumer.ends({place: each.fetch_offset for place, each in owned if each.is_readable})


@contextlib.asynccontextmanager
async def running(reading: Reading, worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """A loop at work, stopped in order at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(reading.run(worker, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition that the loop does not report."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # nothing is there to wait on
            await asyncio.sleep(0.01)  # nothing is there to wait on


def all_once(positions: Positions, topic: str = "orders") -> list[bytes]:
    """The values applied, in the order of their partition and offset; fails where one was applied twice."""
    assert set(positions.applied.values()) <= {1}
    mine = [record for record in positions.records if record.topic.endswith(topic)]
    return [record.value for record in sorted(mine, key=lambda record: (record.partition, record.offset))]
