"""SIGSTOP of each worker in the worst places, longer than every limit; a successor works, then SIGCONT.

A worker that continues still believes that it owns partitions, holds a lease or is in a transaction. It must be
refused before it writes anything, and then continue or end by itself; the test finds the refusal in its log. A worker
that is stopped in a transaction holds its locks until the server ends its session after 30 s.
"""

import asyncio
import os
import re
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.faults.counting import Point
from tests.faults.deployment import FaultyDeployment, NotProcessed
from tests.support.long import long
from workers.devservers.stack import LocalServers

REACHED_SECONDS = 60
STOPPED_SECONDS = 34
"""A consumer's session ends after 10 s, the lease of a fan-out after 5, a transaction that idles after 30."""

TRANSACTION_ENDED = r'idle-in-transaction timeout.*"(batch )?rolled back"'
"""PostgreSQL ended the session meanwhile, so that the COMMIT cannot come."""
FENCED = r'(fenced|Fatal error|[Tt]imed out).*"producer recycled"'
"""The producer could publish nothing more, for the successor had opened another. Which of these the library says
depends on what it noticed first: that it was fenced, or that a time limit passed while it was stopped.
"""
CLAIMED = r'"partitions claimed"'
"""The group had given its partitions away: what it owns from now on it claimed, and reads where others left off."""
CLAIMED_ANEW = rf"{CLAIMED}[\s\S]*{CLAIMED}"
"""The claim that it was stopped in did not hold: the group, or the database, made it claim once more."""
SHARED = r'"count": 4, "event": "partitions claimed"'
"""It claimed its half of the partitions, which the group gave it beside its successor. The claim that it was stopped
before may have run out of time, and is not logged then.
"""
GOES_ON = ""
"""Nothing has to be refused: whose lease has run out judges members again, which changes nothing, and does not end a
fan-out that was ended. That it woke is seen by its calls.
"""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a worker is stopped, and what its log must say of how it was refused when it woke."""

    point: Point
    refused: str


def stop(side: Literal["before", "after"], name: str, number: int, refused: str) -> Stop:
    return Stop(Point(name, number, side, signal.SIGSTOP), refused)


STOPS = {
    "ingest": (
        stop("before", "execute claim_positions", 1, SHARED),  # in the assignment callback
        stop("after", "execute claim_positions", 1, CLAIMED_ANEW),
        stop("after", "execute lock_accounts", 1, TRANSACTION_ENDED),
        stop("before", "query COMMIT;", 3, TRANSACTION_ENDED),
        stop("after", "query COMMIT;", 3, CLAIMED),  # between two transactions
    ),
    "timers": (
        stop("after", "execute claim_due", 4, TRANSACTION_ENDED),
        stop("before", "query COMMIT;", 4, TRANSACTION_ENDED),
    ),
    "fanout": (
        stop("before", "query BEGIN;", 1, GOES_ON),  # with a lease
        stop("before", "query COMMIT;", 2, TRANSACTION_ENDED),
    ),
    "relay": (
        stop("after", "execute read_log", 3, FENCED),
        stop("after", "librdkafka produce", 4, FENCED),  # in a Kafka transaction
        stop("before", "librdkafka commit_transaction", 2, FENCED),
        stop("after", "librdkafka commit_transaction", 2, FENCED),
    ),
}


def is_stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def stopped(deployment: FaultyDeployment, worker: str) -> int:
    """Wait until the worker has stopped itself; its process."""
    while True:
        process = deployment.processes.get(worker)
        if process is not None and is_stopped(process.pid):
            return process.pid
        await asyncio.sleep(0.05)


async def woken(deployment: FaultyDeployment, worker: str, pid: int, calls: Path, refused: str) -> None:
    """Wake it and let it meet new facts, until it made calls again and was refused."""
    printed, called = len(deployment.output_of(worker)), size(calls)
    os.kill(pid, signal.SIGCONT)
    await deployment.send_step(2)
    await deployment.step_processed(2)
    await deployment.observed(lambda: size(calls) > called)
    await deployment.observed(lambda: bool(re.search(refused, deployment.output_of(worker)[printed:])))


def size(file: Path) -> int:
    """How much was written to a file."""
    return file.stat().st_size


async def stopped_at(servers: LocalServers, worker: str, number: int, stop: Stop, setting_up: asyncio.Lock) -> str:
    """The scenario with one stop, which the last step comes after; what was wrong, or nothing."""
    async with AsyncExitStack() as stack:
        made = FaultyDeployment.made(servers.bootstrap, servers.postgres, f"stop_{worker}_{number}")
        async with setting_up:  # all at once would be too many topics for one broker to make in time
            deployment = await stack.enter_async_context(made)
        try:
            took = await stop_and_go_on(deployment, worker, stop)
            _, verdict = await deployment.at_rest()
        except (NotProcessed, TimeoutError) as error:
            return f"{worker} {stop.point}: {error!r}\n{deployment.tail()}"
    print(f"{worker} {stop.point}: decided by others after {took:.0f} s; ended: {deployment.exits}")
    return "" if verdict.clean else f"{worker} {stop.point}: {verdict}\n{deployment.tail()}"


async def stop_and_go_on(deployment: FaultyDeployment, worker: str, stop: Stop) -> float:
    """The scenario up to its end; seconds until others had decided what the stopped one left."""
    over, calls = asyncio.Event(), deployment.directory / "calls"
    await deployment.send_step(0)
    async with deployment.working(worker, stop.point, calls):
        await deployment.send_step(1)
        pid = await asyncio.wait_for(stopped(deployment, worker), REACHED_SECONDS)
        began = time.monotonic()
        successor = asyncio.create_task(deployment.keep(worker, f"{worker}-2", over))
        try:
            await deployment.step_processed(1)
            took = time.monotonic() - began
            await asyncio.sleep(max(0, STOPPED_SECONDS - took))
            await woken(deployment, worker, pid, calls, stop.refused)
            await deployment.published()
        finally:
            over.set()
            await successor
    return took


@long
async def test_a_worker_stopped_anywhere_and_woken_when_a_successor_worked_is_refused_and_does_no_harm(
    servers: LocalServers,
) -> None:
    began = time.monotonic()
    stops = [(worker, number, stop) for worker, several in STOPS.items() for number, stop in enumerate(several)]
    setting_up = asyncio.Lock()
    wrong = await asyncio.gather(*(stopped_at(servers, *each, setting_up) for each in stops))
    print(f"{len(stops)} stops took {time.monotonic() - began:.0f} s")
    assert not any(wrong), "\n".join(wrong)
