"""Whatever the order in which facts arrive, through real servers and two ingest workers: the same decisions."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

import pytest

from contracts.kinds import DEADLINE_KINDS
from tests.support.checker import check
from tests.support.deployment import Deployment, workers_of
from tests.support.policies import POLICIES
from workers.demo.generate import Generated, HistoryParameters, history
from workers.rules.calendar import DAY

WIDE = {"STANDING_INGESTS": "2"}
LATENESS_DAYS = 6
"""With windows of two days whose facts are late by two more at most: everything arrives within it."""


def made(seed: int, **wanted: float) -> list[Generated]:
    return history(replace(HistoryParameters(), seed=seed, accounts=60, companies=25, **wanted))  # type: ignore[arg-type]


def windows(messages: Sequence[Generated], days: int, random: Random) -> Iterator[list[Generated]]:
    """The messages by windows of their arrival, shuffled within each."""
    for _, some in groupby(messages, lambda each: each.arrives_at // (days * DAY)):
        window = list(some)
        random.shuffle(window)
        yield window


def sent(deployment: Deployment, messages: Sequence[Generated], *, keyed: bool) -> None:
    """Produce and flush; without keys every message goes to any partition."""
    deployment.send((each.topic, each.key if keyed else None, each.value) for each in messages)


async def verdict_on(deployment: Deployment) -> str:
    environment = deployment.environment
    await asyncio.to_thread(deployment.drain)
    verdict = await check(
        environment["STANDING_KAFKA_BOOTSTRAP"],
        environment["STANDING_DATABASE_URL"],
        deployment.prefix,
        POLICIES,
        allowed_lateness_seconds=float(environment["STANDING_ALLOWED_LATENESS_SECONDS"]),
    )
    assert verdict.clean, str(verdict)
    assert verdict.figures["decisions"] > 200
    return str(verdict)


@pytest.mark.parametrize(
    ("keyed", "days"),
    [(True, 45), (False, 10_000)],
    ids=["keyed by account, shuffled within windows", "without keys, shuffled wholly"],
)
async def test_facts_in_any_order_end_with_the_decisions_of_a_reading_in_order(
    deployment: Deployment, keyed: bool, days: int
) -> None:
    random = Random(f"{keyed} {days}")  # noqa: S311
    deployment = replace(deployment, environment=deployment.environment | WIDE)
    shuffled = list(windows(made(days + keyed, doubled=0.1, late=0.1), days, random))
    half = len(shuffled) // 2
    for window in shuffled[:half]:
        sent(deployment, window, keyed=keyed)
    with deployment.working():
        for window in shuffled[half:]:
            await asyncio.to_thread(sent, deployment, window, keyed=keyed)
        await verdict_on(deployment)


def other_partitions_are_read(deployment: Deployment) -> None:
    """Wait until all that the other worker owns, half of the partitions, was read to its end."""
    while True:
        lag = json.loads(deployment.standing("status", "--json", check=False).stdout)["lag"]
        if list(lag.values()).count(0) >= len(lag) // 2:
            return


async def test_no_deadline_is_enforced_and_withdrawn_if_all_facts_arrive_within_the_allowed_lateness(
    deployment: Deployment,
) -> None:
    """One of the two ingest workers stands still for a while: half of the partitions are unread as deadlines pass."""
    random = Random(7)  # noqa: S311
    allowed_lateness = {"STANDING_ALLOWED_LATENESS_SECONDS": str(LATENESS_DAYS * 86_400)}
    deployment = replace(deployment, environment=deployment.environment | WIDE | allowed_lateness)
    in_time = [each for each in made(7, late=0, doubled=0.1) if each.arrives_at - each.event_at < 2 * DAY]
    shuffled = list(windows(in_time, 2, random))
    third = len(shuffled) // 3
    with deployment.working() as supervisor:
        for window in shuffled[:third]:
            await asyncio.to_thread(sent, deployment, window, keyed=False)
        await asyncio.to_thread(deployment.drain)
        stopped = workers_of(supervisor.pid, "ingest")[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            for window in shuffled[third : 2 * third]:
                await asyncio.to_thread(sent, deployment, window, keyed=False)
            await asyncio.to_thread(other_partitions_are_read, deployment)
        finally:
            os.kill(stopped, signal.SIGCONT)
        for window in shuffled[2 * third :]:
            await asyncio.to_thread(sent, deployment, window, keyed=False)
        await verdict_on(deployment)
    kinds = [
        each.value["kind"]
        for each in deployment.published()
        if each.topic not in ("account-standing", "dead-letters")
    ]
    assert {f"{kind}_withdrawn" for kind in DEADLINE_KINDS}.isdisjoint(kinds)
    assert kinds.count("account_suspended") > 5
