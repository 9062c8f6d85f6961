"""`make soak`: load and every fault at random from a printed seed, then the independent checker's verdict.

Its order is: start, faults, idle, check. It ends with 1 if anything was lost, doubled or wrong, if the deployment did
not become idle, or if it tested too little. Ctrl-C ends it early, with the verdict so far.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.dead_letters import DeadLetters
from tests.soak.faults import Faults
from tests.soak.floors import too_little
from tests.soak.load import Load
from tests.soak.sender import Sender
from tests.soak.watching import Figures, Reader, Recoveries
from tests.support.checker import check
from tests.support.faulty_servers import FaultyServers, faulty_servers
from tests.support.policies import POLICIES
from tests.support.tree import Tree
from workers.commands.setup import run_setup
from workers.settings import Settings

PREFIX = "soak."
PARTITIONS = 4
LINE_SECONDS = 10.0
DRAIN_SECONDS = 900
SHOWN = 20


@dataclass
class Soak:
    """One soak on servers of its own."""

    servers: FaultyServers
    seed: int
    rate: int
    seconds: float
    between: float
    output: Path
    stop: asyncio.Event
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = {
            "STANDING_TOPIC_PREFIX": PREFIX,
            "STANDING_PARTITIONS": str(PARTITIONS),
            "STANDING_SHARDS": "2",
            "STANDING_CLOCK": "events",
            "STANDING_ALLOWED_LATENESS_SECONDS": "0",
            "STANDING_INGESTS": "2",
        }
        kafka, database_url = self.servers.kafka.bootstrap, self.servers.postgres.url("soak")
        self.direct = own | {"STANDING_KAFKA_BOOTSTRAP": kafka, "STANDING_DATABASE_URL": database_url}
        self.sender = Sender(kafka, PREFIX, self.violations, self.stop)
        self.load = Load(self.sender, self.seed, self.rate, self.seconds)
        self.tree = Tree(own | self.servers.environment("soak"), self.output, self.violations)
        self.reader = Reader(kafka, PREFIX, PARTITIONS, self.violations)
        self.figures = Figures(database_url)
        self.recoveries = Recoveries(self.figures, self.reader)
        self.ended = asyncio.Event()
        dead_letters = DeadLetters(self.sender, self.figures, self._standing, self.violations, PARTITIONS)
        dice = Random(f"faults {self.seed}")  # noqa: S311  # no secret
        self.faults = Faults(self.servers, self.tree, dead_letters, database_url, dice, self.stop, self._over)
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, Any]:
        """Everything; returns the verdict and the figures."""
        await run_setup(self._settings())
        began = time.monotonic()
        workers_stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for watching in (self.reader.run(self.ended), self.figures.run(self.ended), self._lines(began)):
                tasks.create_task(watching)
            workers = tasks.create_task(self.tree.run(workers_stop))
            await self._suffer()
            suffered = time.monotonic()
            await self._drain()
            drained = time.monotonic()
            workers_stop.set()
            await workers
            self.ended.set()
        found = await check(self.servers.kafka.bootstrap, self.figures.database_url, PREFIX, POLICIES)
        self.violations += self.sender.compare(found.figures["records"])
        self.violations += too_little(
            suffered - began, self.rate, self.between, found.figures["facts"], self.faults.kills
        )
        told = {
            "seconds": round(suffered - began),
            "drain_seconds": round(drained - suffered),
            "check_seconds": round(time.monotonic() - drained),
            "sent": self.sender.sent,
            "kills": self.faults.kills,
            "faults": dict(sorted(self.faults.counts.items())),
            "recoveries": self.recoveries.summary(),
            "exits": dict(self.tree.exits),
            "violations": self.violations[:SHOWN],
        }
        return {"seed": self.seed, **found.as_json(), "clean": found.clean and not self.violations, **told}

    async def _suffer(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._after())
            tasks.create_task(self.load.run(self.stop))
            tasks.create_task(self.faults.run(self.between))

    async def _after(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), self.seconds)
        self.stop.set()

    async def _drain(self) -> None:
        """Wait until all that was sent is decided and published, as an operator would."""
        for proxy in (self.servers.kafka_proxy, self.servers.postgres_proxy):
            proxy.reset()
        if complaint := await self._standing("drain", "--timeout", str(DRAIN_SECONDS)):
            self.violations.append(f"not drained in {DRAIN_SECONDS} s: {complaint}")

    async def _standing(self, *arguments: str) -> str:
        """Run `standing` past the proxies; returns what it complained of where it failed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers.cli", *arguments),
            env=os.environ | self.direct,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        _, errors = await process.communicate()
        return f"exit {process.returncode}: {errors.decode()[-500:]}" if process.returncode else ""

    def _over(self, fault: str) -> None:
        waiting = asyncio.create_task(self.recoveries.after(fault, self.sender.sent, self.ended))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _lines(self, began: float) -> None:
        shown = 0
        while not self.ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), LINE_SECONDS)
            facts, decisions = self.figures.facts, self.figures.decisions
            lag, unpublished = self.sender.sent - facts, decisions - self.reader.published
            print(
                f"{time.monotonic() - began:6.0f} s  {facts:>9,} facts  {decisions:>8,} decisions  "
                f"{self.faults.kills:>4} kills of {self.faults.counts.total():>4} faults  "
                f"lag {max(0, lag):>7,}  unpublished {max(0, unpublished):>6,}  "
                f"violations {len(self.violations)}",
                *self.violations[shown:],
                sep="\n         ",
                flush=True,
            )
            shown = len(self.violations)

    def _settings(self) -> Settings:
        return Settings(
            kafka_bootstrap=self.servers.kafka.bootstrap,
            database_url=self.figures.database_url,
            topic_prefix=PREFIX,
            partitions=PARTITIONS,
            shards=2,
            clock="events",
            allowed_lateness_seconds=0,
        )


async def soak(seed: int, rate: int, minutes: float, between: float) -> int:
    """One soak from start to verdict."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    again = f"make soak MINUTES={minutes:g} RATE={rate} SEED={seed}"
    output = Path(tempfile.gettempdir()) / f"soak-{seed}.log"
    output.write_text("")
    print(f"{again}\nwhat the workers say: {output}; Ctrl-C ends it with the verdict so far", flush=True)
    async with faulty_servers() as servers:
        verdict = await Soak(servers, seed, rate, minutes * 60, between, output, stop).run()
    print(json.dumps(verdict, indent=2))
    if not verdict["clean"]:
        print(f"NOT CLEAN; again: {again}", flush=True)
    return int(not verdict["clean"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=None, help="what all chance follows from; a fresh one by default")
    parser.add_argument("--rate", type=int, default=900, help="facts a second")
    parser.add_argument("--between", type=float, default=4.5, help="seconds from one fault to the next")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10**9) if chosen.seed is None else chosen.seed
    return asyncio.run(soak(seed, chosen.rate, chosen.minutes, chosen.between))


if __name__ == "__main__":
    sys.exit(main())
