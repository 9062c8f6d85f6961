"""What the supervisor does after the end of a worker, without servers."""

import asyncio
import itertools

from tests.support.logged import logged
from workers.ops.health import Vitals
from workers.supervisor import LONGEST_PAUSE_SECONDS, WorkerProcess, longer_pause, supervise


def test_pauses_double_from_a_fifth_of_a_second_up_to_the_longest() -> None:
    pauses = list(itertools.accumulate(range(7), lambda pause, _: longer_pause(pause), initial=0.0))
    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


async def test_a_worker_that_would_only_fail_again_ends_all_with_its_exit_code() -> None:
    refused = WorkerProcess("timers", ["timers"], {"STANDING_SHARDS": "none"})
    with logged() as lines:
        async with asyncio.timeout(60):
            assert await supervise([refused], Vitals()) == 2
    assert [(line["event"], line["worker"]) for line in lines] == [("worker cannot run; stopping all", "timers")]
