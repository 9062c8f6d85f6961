"""SIGSTOP of each worker in the worst places, longer than every limit; a successor works, then SIGCONT.

The one that wakes up believes what it believed: that it owns partitions, holds a lease, is in a transaction. It must
find out before it writes anything, and go on or end by itself. Stopped in a transaction it holds locks, until the
server ends its session after 30 s; the others get through by then.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.counting import Point
from tests.faults.deployment import Deployment
from tests.faults.load import long
from workers.local.stack import LocalServers

REACHED_SECONDS = 30
STOPPED_SECONDS = 34
"""A consumer's session ends after 10 s, the lease of a spread after 5, a transaction that idles after 30."""


def stop(side: Literal["before", "after"], name: str, number: int) -> Point:
    return Point(name, number, side, signal.SIGSTOP)


STOPS = {
    "ingest": (
        stop("before", "execute claim_positions", 1),  # in the assignment callback
        stop("after", "execute claim_positions", 1),
        stop("after", "execute lock_accounts", 1),  # holding a transaction
        stop("before", "query COMMIT;", 3),
        stop("after", "query COMMIT;", 3),  # between two
    ),
    "timers": (stop("after", "execute claim_due", 4), stop("before", "query COMMIT;", 4)),
    "spread": (stop("after", "execute claim_spread", 2), stop("before", "query COMMIT;", 2)),
    "relay": (
        stop("after", "execute read_log", 3),
        stop("after", "librdkafka produce", 4),  # in a Kafka transaction
        stop("before", "librdkafka commit_transaction", 2),
        stop("after", "librdkafka commit_transaction", 2),
    ),
}


def is_stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def stopped(deployment: Deployment, worker: str) -> int:
    """Wait until the worker has stopped itself; its process."""
    while True:
        process = deployment.processes.get(worker)
        if process is not None and process.pid is not None and is_stopped(process.pid):
            return process.pid
        await asyncio.sleep(0.05)


async def stopped_at(servers: LocalServers, worker: str, number: int, point: Point) -> str:
    """The scenario with one stop, which the last step comes after; what was wrong, or nothing."""
    async with Deployment.made(servers.bootstrap, servers.postgres, f"stop_{worker}_{number}") as deployment:
        over = asyncio.Event()
        await deployment.send_step(0)
        async with deployment.working(worker, point):
            await deployment.send_step(1)
            try:
                pid = await asyncio.wait_for(stopped(deployment, worker), REACHED_SECONDS)
            except TimeoutError:
                return f"{point} was not reached"
            began = time.monotonic()
            successor = asyncio.create_task(deployment.keep(worker, f"{worker}-2", over))
            await deployment.step_settled(1)
            took = time.monotonic() - began
            await asyncio.sleep(max(0, STOPPED_SECONDS - took))
            os.kill(pid, signal.SIGCONT)
            await deployment.send_step(2)
            await deployment.step_settled(2)
            await deployment.published()
            over.set()
            await successor
        _, verdict = await deployment.at_rest()
    print(f"{worker} {point}: decided by others after {took:.0f} s; ended with an error: {deployment.exits}")
    return "" if verdict.clean else f"{point}: {verdict}\n{deployment.tail()}"


@long
@pytest.mark.parametrize("worker", STOPS)
async def test_a_worker_stopped_anywhere_and_woken_when_a_successor_worked_does_no_harm(
    servers: LocalServers, worker: str
) -> None:
    stops = enumerate(STOPS[worker])
    wrong = await asyncio.gather(*(stopped_at(servers, worker, number, point) for number, point in stops))
    assert not any(wrong), "\n".join(wrong)
