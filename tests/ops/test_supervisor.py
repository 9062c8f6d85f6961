"""What the supervisor does after the end of a worker, without servers."""

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.logged import logged
from tests.support.streams import until
from workers import supervisor
from workers.ops.health import Vitals
from workers.supervisor import LONGEST_PAUSE_SECONDS, WorkerProcess, longer_pause, supervise


@pytest.fixture
def lifeline() -> Iterator[int]:
    """The reading end of a supervisor's pipe."""
    reading, writing = os.pipe()
    yield reading
    os.close(writing)
    os.close(reading)


def test_pauses_double_from_a_fifth_of_a_second_up_to_the_longest() -> None:
    pauses = list(itertools.accumulate(range(7), lambda pause, _: longer_pause(pause), initial=0.0))
    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


async def test_a_worker_that_would_only_fail_again_ends_all_with_its_exit_code() -> None:
    refused = WorkerProcess("timers", {"STANDING_SHARDS": "none"})
    with logged() as lines:
        async with asyncio.timeout(60):
            assert await supervise([refused], Vitals()) == 2
    assert [(line["event"], line["worker"]) for line in lines] == [("worker cannot run; stopping all", "timers")]


async def test_a_spare_process_takes_the_place_of_a_worker_in_its_environment(
    monkeypatch: pytest.MonkeyPatch, lifeline: int
) -> None:
    monkeypatch.setattr(supervisor, "STABLE_SECONDS", 0.01)
    spare, stop = supervisor.Spare(lifeline), asyncio.Event()
    refused = WorkerProcess("timers", {"STANDING_SHARDS": "none"})
    async with asyncio.timeout(60):
        keeping = asyncio.create_task(spare.keep(stop))
        await until(lambda: spare.process is not None)
        waiting = spare.process
        assert await spare.start(refused, at_once=False) is not waiting, "it died soon: another would too"
        process = await spare.start(refused, at_once=True)
        assert process is waiting
        assert await process.wait() == 2
        await until(lambda: spare.process is not None)
        stop.set()
        await keeping
        assert spare.process is not None
        assert spare.process.returncode == -signal.SIGTERM


async def test_a_spare_process_ends_when_nobody_can_need_it_any_more(lifeline: int) -> None:
    async with asyncio.timeout(60):
        process = await supervisor.started("spare", {}, lifeline, asyncio.subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
