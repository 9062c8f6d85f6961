"""The ingest worker ends when its loop does, also where an answer of Kafka comes just then.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes with the answer: the heartbeats went on for
ever, the worker waited for their end, and read nothing until its watchdog ended it.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from contracts.topics import INPUT_TOPICS
from tests.support.database_deployment import deployed
from tests.support.played_consumer import SAMPLE, Asking, PlayedConsumer, ingest
from workers.kafka.admin import Admin
from workers.kafka.consumer_listener import ConsumerListener
from workers.kafka.security import KafkaAccess
from workers.store import channels
from workers.store.listener import Listener

NOWHERE = KafkaAccess("127.0.0.1:1")


class Failed(Exception):
    """What ends the loop."""


@dataclass
class EndingConsumer(PlayedConsumer):
    """A consumer that fails in the very turn of the event loop in which Kafka answers the heartbeat."""

    failed: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def start(self, listener: ConsumerListener) -> None:
        await super().start(listener)
        await self.failed

    async def partition_counts(self) -> Mapping[str, int]:
        answer: Future[dict[str, int]] = Future()
        asyncio.get_running_loop().call_soon(answer_and_fail, answer, self.failed)
        return await Admin(NOWHERE)._answer(answer)


def answer_and_fail(answer: "Future[dict[str, int]]", failed: "asyncio.Future[None]") -> None:
    """The answer is there, and not handed over yet, when the end of the loop reaches the heartbeat."""
    answer.set_result(dict.fromkeys(INPUT_TOPICS, 2))
    if not failed.done():
        failed.set_exception(Failed())


async def test_a_worker_ends_with_its_loop_whatever_its_heartbeat_is_told_just_then(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, EndingConsumer())
        async with asyncio.timeout(20):
            with pytest.raises(ExceptionGroup) as ended:
                await worker.run(asyncio.Event(), Asking(Listener(deployment.pool, channels.HEARTBEAT)))
    assert ended.group_contains(Failed)


async def test_a_cancellation_that_comes_with_an_answer_is_not_swallowed() -> None:
    answer: Future[str] = Future()
    asked = asyncio.create_task(Admin(NOWHERE)._answer(answer))
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    loop.call_soon(answer.set_result, "in time")
    for turns in range(4):  # one of these is the turn in which the answer is known and not yet handed over
        after(loop, turns, asked)
    with pytest.raises(asyncio.CancelledError):
        await asked


def after(loop: asyncio.AbstractEventLoop, turns: int, task: "asyncio.Task[str]") -> None:
    """Cancel a task after so many turns of the event loop."""
    loop.call_soon(after, loop, turns - 1, task) if turns else loop.call_soon(task.cancel)
