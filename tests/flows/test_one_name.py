"""Two processes for one role: the one that loses it logs that, stands by, and takes over again when needed."""

import itertools
import json
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.support.deployment import Deployment, check_all
from tests.support.endpoints import until
from tests.support.facts import enrolled

numbers = itertools.count()


def said(log: Path, event: str) -> int:
    """How often a worker logged something."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return sum(line["event"].startswith(event) for line in lines)


def send_one(deployment: Deployment) -> bool:
    """Give the workers something to decide and to publish."""
    deployment.send([enrolled(f"a{next(numbers)}", "2016-03-01 10:00")])
    return False


def decide_some(deployment: Deployment, times: int) -> None:
    """Let the workers decide and publish something, so many times."""
    for _ in range(times):
        send_one(deployment)
        deployment.drain()


async def test_of_two_ingest_workers_of_one_name_the_older_stands_by_until_the_other_is_gone(
    deployment: Deployment, tmp_path: Path
) -> None:
    named = replace(deployment, environment={**deployment.environment, "STANDING_INSTANCE": "web"})
    same = replace(deployment, environment={**deployment.environment, "STANDING_INSTANCE": "web-0"})
    logs = [tmp_path / "older", tmp_path / "newer"]
    with ExitStack() as stack:
        older, newer = (stack.enter_context(each.open("wb")) for each in logs)
        stack.enter_context(named.working(log=older))  # with a supervisor, and an ingest worker called web-0
        decide_some(deployment, 1)
        other = stack.enter_context(same.working("ingest", log=newer))
        until(lambda: said(logs[0], "two ingest workers have one name") == 1)
        decide_some(deployment, 3)
        claims = [said(each, "partitions claimed") for each in logs]
        assert sum(claims) <= 5, f"they take from each other: {claims}"
        assert said(logs[0], "worker died") == 0
        other.send_signal(signal.SIGKILL)
        until(lambda: said(logs[0], "worker died") == 1)
        decide_some(deployment, 1)
        other.wait()
    assert "give each its own STANDING_INSTANCE" in logs[0].read_text()
    await check_all(deployment)


async def test_of_two_relays_the_one_that_is_taken_over_stands_by_and_takes_over_when_nobody_publishes(
    deployment: Deployment, tmp_path: Path
) -> None:
    logs = [tmp_path / "one", tmp_path / "other"]
    with ExitStack() as stack:
        one, other = (stack.enter_context(each.open("wb")) for each in logs)
        for worker in ("ingest", "timers", "fanout"):
            stack.enter_context(deployment.working(worker))
        stack.enter_context(deployment.working("relay", log=one))
        decide_some(deployment, 1)
        second = stack.enter_context(deployment.working("relay", log=other))
        until(lambda: said(logs[0], "another relay publishes this shard") > 0 or send_one(deployment))
        for _ in range(30):
            send_one(deployment)
        decide_some(deployment, 1)
        shards = int(deployment.environment["STANDING_SHARDS"])
        assert 0 < sum(said(each, "producer recycled") for each in logs) <= shards
        second.send_signal(signal.SIGKILL)
        decide_some(deployment, 2)
        second.wait()
    await check_all(deployment)
