"""The supervisor and a worker that dies as soon as it is started."""

import asyncio
import os
import signal

from tests.support.deployment import Deployment
from tests.support.logged import logged
from tests.support.streams import until
from workers.ops.health import Vitals
from workers.supervisor import WorkerProcess, supervise

NOWHERE = {"STANDING_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}


async def test_a_worker_without_a_database_is_started_again_after_longer_and_longer_pauses(
    deployment: Deployment,
) -> None:
    timers = WorkerProcess("timers", deployment.environment | NOWHERE)
    with logged() as lines:
        working = asyncio.create_task(supervise([timers], Vitals()))
        await until(lambda: len(lines) == 3, 60)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await working == 0
    assert [line["code"] for line in lines] == [1, 1, 1]
    pauses = [line["restart_in_seconds"] for line in lines]
    assert 0 < pauses[0] < pauses[1] < pauses[2]
