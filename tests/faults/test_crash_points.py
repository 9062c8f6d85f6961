"""kill -9 of each worker at every call to the database and to Kafka: nothing is lost, doubled or decided otherwise.

The calls are counted in a run of the scenario that nothing disturbs; then the scenario is played once for each crash
point: before every call, and after every one that others can see. (After any other call nothing but the process
has changed, so the next call's "before" is the same crash.) Of one that is repeated, as heartbeats are, the first
`REPEATED` are taken, of commits the first `COMMITS`. A point that a run did not reach is tried once more.
`make test` takes a few; `FAULTS=all`, as `make faults` sets it, takes all.
"""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.counting import Point
from tests.faults.deployment import WORKERS, FaultyDeployment, NotProcessed
from tests.support.checker import Verdict
from workers.devservers.stack import LocalServers

REPEATED = 3
COMMITS = 8
"""Each commit comes after other changes, where each of other calls is much like the last."""
REACHED = 0.97
"""The share of points that must be reached: how often a worker asks for something is not the same in each run."""
AT_A_TIME = 4
SEEN_BY_OTHERS = (
    "COMMIT",
    "pg_notify",
    "claim_",
    "insert_accounts",
    "compared_",
    "LISTEN",
    "librdkafka init",
    "librdkafka begin",
    "librdkafka produce",
    "librdkafka poll",
    "librdkafka commit",
    "GroupRequest",
)
SHORT = 1
"""Crash points that `make test` takes of each worker beside two at its commits."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run: whether the point was reached, what the checker says, how long it took."""

    point: Point
    reached: bool
    verdict: Verdict | None
    seconds: float
    told: str

    @property
    def clean(self) -> bool:
        return self.verdict is not None and self.verdict.clean


async def crash_points(servers: LocalServers, worker: str, directory: Path) -> list[Point]:
    """Every point of the worker's calls, as an undisturbed run makes them."""
    log = directory / "calls"
    async with FaultyDeployment.made(servers.bootstrap, servers.postgres, f"count_{worker}") as deployment:
        _, verdict = await deployment.play(worker, log=log)
        assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    calls = Counter(line.split("\t")[0] for line in log.read_text().splitlines())
    return [
        Point(name, number, side)
        for name, count in calls.items()
        for number in range(1, min(count, most(name)) + 1)
        for side in ("before", "after")
        if side == "before" or (not is_prepare(name) and any(part in name for part in SEEN_BY_OTHERS))
    ]


def most(name: str) -> int:
    """How many calls of one name are taken; a statement is prepared on each connection that happens to need it."""
    return COMMITS if is_commit(name) else 1 if is_prepare(name) else REPEATED


def is_prepare(name: str) -> bool:
    """Whether a call has the database prepare a statement."""
    return name.startswith("prepare ")


def is_commit(name: str) -> bool:
    """Whether a call commits, in the database or in Kafka."""
    return "commit" in name.lower()


async def crash(servers: LocalServers, worker: str, number: str, point: Point) -> Outcome:
    """The scenario with one crash."""
    began = time.monotonic()
    async with FaultyDeployment.made(servers.bootstrap, servers.postgres, f"{worker}_{number}") as deployment:
        verdict = None
        try:
            _, verdict = await deployment.play(worker, point)
            told = str(verdict)
        except NotProcessed as error:
            told = f"not processed: {error}"
        reached = (worker, -9) in deployment.exits
        return Outcome(point, reached, verdict, time.monotonic() - began, f"{told}\n{deployment.tail()}")


async def crash_there(servers: LocalServers, worker: str, number: int, point: Point) -> Outcome:
    """The scenario with one crash; a second run if the first did not reach that point."""
    first = await crash(servers, worker, f"{number}", point)
    return await crash(servers, worker, f"{number}_again", point) if first.clean and not first.reached else first


def chosen(points: list[Point]) -> list[Point]:
    """All points, or some at commits and one in the middle: of first calls, which no run does without."""
    if os.environ.get("FAULTS") == "all":
        return points
    # Only operators' tools read committed offsets, and how often a run writes them depends on the time that it takes.
    commits = [point for point in points if is_commit(point.name) and "OffsetCommit" not in point.name]
    others = [point for point in points if point not in commits and point.number == 1]
    return commits[:2] + others[len(others) // 2 :][:SHORT]


@pytest.mark.parametrize("worker", WORKERS)
async def test_a_worker_killed_before_or_after_any_call_loses_and_duplicates_nothing(
    servers: LocalServers, worker: str, tmp_path: Path
) -> None:
    points = chosen(await crash_points(servers, worker, tmp_path))
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int, point: Point) -> Outcome:
        async with turns:
            return await crash_there(servers, worker, number, point)

    outcomes = await asyncio.gather(*(one(number, point) for number, point in enumerate(points)))
    bad = [f"{each.point}: {each.told}" for each in outcomes if not each.clean]
    reached = sum(each.reached for each in outcomes)
    slowest = max(outcomes, key=lambda each: each.seconds)
    print(f"{worker}: {len(points)} crash points, {reached} reached, {len(bad)} bad; slowest {slowest.seconds:.1f} s")
    assert not bad, "\n".join(bad)
    assert reached >= REACHED * len(points), [str(each.point) for each in outcomes if not each.reached]
