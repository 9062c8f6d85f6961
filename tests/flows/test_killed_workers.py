"""A generated history streams in while workers are killed with -9: nothing is lost, doubled or decided otherwise."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from random import Random

import pytest

from tests.checker import check
from tests.flows.engine import Engine

POLICIES = Path(__file__).parents[2] / "schemas" / "policies"
WORKERS = ("ingest", "timers", "spread", "relay")
HISTORY = ("--facts", "6000", "--late", "0.05", "--doubled", "0.03", "--bad", "0.002")


def kill_one(supervisor: int, name: str) -> bool:
    """kill -9 of a worker of the tree, where it runs just now."""
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if command[-1].decode() == name:
                os.kill(int(child), signal.SIGKILL)
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended by itself meanwhile
    return False


@pytest.mark.parametrize("seed", [1])
async def test_what_is_published_is_the_same_however_many_workers_are_killed(engine: Engine, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    stop, enough = threading.Event(), threading.Event()
    killed: list[str] = []

    def kill_at_random(supervisor: int) -> None:
        while not stop.wait(random.uniform(0.3, 1.0)):
            name = random.choice(WORKERS)
            if kill_one(supervisor, name):
                killed.append(name)
            if len(killed) >= 15:
                enough.set()

    with engine.working() as supervisor:
        killer = threading.Thread(target=kill_at_random, args=(supervisor.pid,))
        killer.start()
        try:
            for part in range(3):
                history = ("--seed", str(seed * 100 + part), *HISTORY)
                await asyncio.to_thread(engine.standing, "generate", *history)
            await asyncio.to_thread(enough.wait, 60)
        finally:
            stop.set()
            killer.join()
        await asyncio.to_thread(engine.drain)
    environment = engine.environment
    verdict = await check(
        environment["STANDING_KAFKA_BOOTSTRAP"], environment["STANDING_DATABASE_URL"], engine.prefix, POLICIES
    )
    assert verdict.clean, f"killed {killed}: {verdict}"
    assert verdict.figures["records"] > 5000
    assert verdict.figures["withdrawals"] > 0
    assert verdict.figures["dead_letters"] > 0
