"""A generated history streams in while workers are killed with -9: nothing is lost, doubled or decided otherwise.

A worker is killed each time that some hundred more facts are processed, so that each kill hits a busy tree.
"""

import asyncio
import os
import signal
from contextlib import suppress
from random import Random

import asyncpg
import pytest

from tests.support.checker import check
from tests.support.deployment import Deployment, workers_of
from tests.support.policies import POLICIES

WORKERS = ("ingest", "timers", "fanout", "relay")
HISTORY = ("--facts", "5000", "--days", "400", "--late", "0.1", "--doubled", "0.03", "--bad", "0.003")
STEP = 150
LEAST = 10


def kill_one(supervisor: int, name: str) -> bool:
    """kill -9 of a worker of the tree, where it runs just now."""
    for process in workers_of(supervisor, name):
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(process, signal.SIGKILL)
            return True
    return False


async def kill_at_progress(database_url: str, supervisor: int, random: Random, killed: list[str]) -> None:
    """Kill a random worker whenever another `STEP` records or so are processed."""
    connection = await asyncpg.connect(database_url)
    try:
        reached = 0
        while True:
            if await connection.fetchval("select sum(next_offset) from positions") >= reached:
                name = random.choice(WORKERS)
                if kill_one(supervisor, name):
                    killed.append(name)
                    reached += random.randrange(STEP, 3 * STEP)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", [1])
async def test_what_is_published_is_the_same_however_many_workers_are_killed(
    deployment: Deployment, seed: int
) -> None:
    bootstrap, database_url = (
        deployment.environment["STANDING_KAFKA_BOOTSTRAP"],
        deployment.environment["STANDING_DATABASE_URL"],
    )
    deployment = Deployment(
        {**deployment.environment, "STANDING_BATCH_SIZE": "100"}
    )  # many batches, so many places to die
    random = Random(seed)  # noqa: S311
    killed: list[str] = []
    with deployment.working() as supervisor:
        killer = asyncio.create_task(kill_at_progress(database_url, supervisor.pid, random, killed))
        await asyncio.to_thread(deployment.standing, "generate", "--seed", str(seed), *HISTORY)
        while len(killed) < LEAST and not killer.done():
            await asyncio.wait({killer}, timeout=0.1)
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await asyncio.to_thread(deployment.drain)
    verdict = await check(bootstrap, database_url, deployment.prefix, POLICIES)
    print(f"killed {killed}: {verdict}")
    assert verdict.clean, f"killed {killed}: {verdict}"
    assert verdict.figures["facts"] > 4000
    assert verdict.figures["decisions"] > 400
    assert verdict.figures["dead_letters"] > 0
