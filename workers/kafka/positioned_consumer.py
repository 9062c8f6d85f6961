"""aiokafka's consumer with nothing swallowed: what its polls, callbacks and tasks raise is given to the intake.

Owns that alone; positions and errors are the intake's. The invariant: a task of the library that ends, well or badly,
ends the worker, for without it nothing would be read, or no session kept, and nobody would know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.fetch import FetchRequest

from workers.kafka.connections import TaskEnded, stop_immediately
from workers.kafka.handling import PartitionBatch


class Reader(Protocol):
    """Whose consumer it is."""

    async def poll(self, fetch: Callable[[], Any]) -> dict[TopicPartition, Sequence[PartitionBatch]]: ...

    async def kafka_failed(self, error: KafkaError) -> None: ...

    async def guard(self, work: Awaitable[None]) -> None: ...

    async def on_revoked(self, revoked: set[TopicPartition]) -> None: ...

    async def on_assigned(self, assigned: set[TopicPartition]) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def fetched(self, place: TopicPartition, offset: int, code: int, empty: bool) -> None:
        """What the brokers answered to the fetch of a partition from an offset."""
        ...


class PositionedConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer whose polls give `PartitionBatch`es, tied to the intake's book of positions."""

    def __init__(self, *, intake: Reader, **options: Any) -> None:
        super().__init__(**options)
        stop_immediately(self)
        self._intake = intake
        self._watched = True
        send = self._client.send

        async def send_and_look(node: Any, request: Any, **more: Any) -> Any:
            response = await send(node, request, **more)
            if isinstance(request, FetchRequest):
                self._look(request, response)
            return response

        self._client.send = send_and_look

    async def start(self) -> None:
        """Start, and watch the tasks without which nothing is read."""
        await super().start()
        tasks = {
            "fetches": self._fetcher._fetch_task,
            "group membership": self._coordinator._coordination_task,
            "metadata": self._client._sync_task,
        }
        for name, task in tasks.items():
            task.add_done_callback(partial(self._ended, name))

    def position_now(self, place: TopicPartition) -> int | None:
        """The position, without waiting for one."""
        subscription = self._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None or place not in assignment.tps:
            return None
        state = assignment.state_value(place)
        return state.position if state.has_valid_position else None

    def decided_until(self, place: TopicPartition) -> int:
        """The offset before which all could be read when the last fetch was answered; 0 before the first."""
        return (self.last_stable_offset(place) or 0) if place in self.assignment() else 0

    def unwatch(self) -> None:
        """The end of its tasks is wanted from now on."""
        self._watched = False

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._watched:
            why = "without an error" if error is None else repr(error.__cause__ or error)
            self._intake.fail(TaskEnded(f"the Kafka client's task for {name} ended: {why}"))

    def _look(self, request: FetchRequest, response: Any) -> None:
        """Tell the intake how each partition of a fetch fared; the library logs most errors, and tries again."""
        answered = {
            (topic, number): (code, not more[-1])
            for topic, partitions in response.topics
            for number, code, _, *more in partitions
        }
        whole = getattr(response, "error_code", 0)
        for topic, partitions in request.topics:
            for number, offset, _ in partitions:
                code, empty = (whole, False) if whole else answered.get((topic, number), (0, False))
                self._intake.fetched(TopicPartition(topic, number), offset, code, empty)

    async def getmany(
        self, *_: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, Sequence[PartitionBatch]]:
        """Poll, as FastStream's loop calls it; recovers from what Kafka answers by itself.

        FastStream starts its loop anew for ever after any other exception, and tells nobody.
        """
        try:
            return await self._intake.poll(partial(super().getmany, timeout_ms=timeout_ms, max_records=max_records))
        except KafkaError as error:
            await self._intake.kafka_failed(error)
        except ConsumerStoppedError:
            raise
        except Exception as error:
            self._intake.fail(error)
            raise ConsumerStoppedError from error
        return {}


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka swallows what these raise, so every failure is given to the intake."""

    def __init__(self, intake: Reader) -> None:
        self._intake = intake

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._intake.guard(self._intake.on_revoked(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._intake.guard(self._intake.on_assigned(assigned))


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waits = [asyncio.ensure_future(each.wait()) for each in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
