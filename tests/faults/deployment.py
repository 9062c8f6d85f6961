"""A deployment for one fault: a database and a prefix of its own on shared servers, and its four workers apart.

Owns how the scenario is played and how workers are kept running. A worker that dies is started anew, as its
supervisor would, without the fault. Set-up and waiting are done within the test's own process, for `standing` takes
seconds to start.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from tests.checker import Verdict, judge
from tests.faults import victim
from tests.faults.counting import Point
from tests.faults.scenario import NEWEST, STEPS
from tests.flows.engine import Engine
from tests.seen import Seen, look
from workers.commands.setup import run_setup, topic_specs
from workers.local.stack import LocalServers
from workers.settings import Settings

POLICIES = Path(__file__).parents[2] / "schemas" / "policies"
WORKERS = ("ingest", "timers", "spread", "relay")
SETTLE_SECONDS = 90.0
STOP_SECONDS = 20.0

SETTLED = """
select (select sum(next_offset) from positions) = $1
   and (select bool_and(complete_until = $2::text::timestamptz) from positions)
   and (select partitions_compared_until >= $2::text::timestamptz from deployment)
   and not exists (select from accounts where wake_at <= $2::text::timestamptz and not held)
   and not exists (select from spreads)
"""


class NotSettled(Exception):
    """The deployment did not come to rest in time."""


@dataclass
class Deployment:
    """One deployment of the scenario; `output` collects what its workers print."""

    environment: dict[str, str]
    directory: Path
    exits: list[tuple[str, int | None]] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return self.environment["STANDING_TOPIC_PREFIX"]

    @property
    def database_url(self) -> str:
        return self.environment["STANDING_DATABASE_URL"]

    @classmethod
    @asynccontextmanager
    async def made(cls, servers: LocalServers, name: str) -> AsyncIterator["Deployment"]:
        """A deployment that was set up and does not run yet."""
        environment = {
            "STANDING_KAFKA_BOOTSTRAP": servers.bootstrap,
            "STANDING_DATABASE_URL": servers.postgres.url(name),
            "STANDING_TOPIC_PREFIX": f"{name}.",
            "STANDING_PARTITIONS": "2",
            "STANDING_SHARDS": "1",
            "STANDING_CLOCK": "events",
            "STANDING_SETTLE_SECONDS": "0",
            "STANDING_INSTANCE": f"{name}-ingest",
        }
        settings = Settings(
            kafka_bootstrap=servers.bootstrap,
            database_url=SecretStr(servers.postgres.url(name)),
            topic_prefix=f"{name}.",
            partitions=2,
            shards=1,
            clock="events",
            settle_seconds=0,
        )
        await run_setup(settings)
        try:
            with TemporaryDirectory(prefix="faults-") as directory:
                yield cls(environment, Path(directory))
        finally:
            await remove(servers, name, [spec.name for spec in topic_specs(settings)])

    async def play(
        self, worker: str | None = None, crash: Point | None = None, log: Path | None = None
    ) -> tuple[Seen, Verdict]:
        """Play the scenario to its end; `worker` dies at `crash`, or logs its calls. What is seen then, judged."""
        engine = Engine(self.environment)
        connection = await asyncpg.connect(self.database_url)
        stop = asyncio.Event()
        keepers: list[asyncio.Task[None]] = []
        try:
            sent = 0
            for step, newest in zip(STEPS, NEWEST, strict=True):
                await asyncio.to_thread(engine.send, step)
                sent += len(step)
                if not keepers:
                    for name in WORKERS:
                        faults = (crash, log) if name == worker else (None, None)
                        keepers.append(asyncio.create_task(self._keep(name, stop, *faults)))
                await self._settled(connection, sent, newest)
            return await self._published()
        finally:
            stop.set()
            await asyncio.gather(*keepers)
            await connection.close()

    async def _settled(self, connection: asyncpg.Connection, sent: int, newest: str) -> None:
        """Wait until everything sent is decided, and every silence up to `newest`."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not await connection.fetchval(SETTLED, sent, newest):
            if time.monotonic() > deadline:
                raise NotSettled(f"after {SETTLE_SECONDS} s; exits {self.exits}; {self.tail()}")
            await asyncio.sleep(0.03)

    async def _published(self) -> tuple[Seen, Verdict]:
        """Wait until the relay has published the log; the verdict is on what there is after the time, if not."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            seen = await look(self.environment["STANDING_KAFKA_BOOTSTRAP"], self.database_url, self.prefix)
            if len(seen.outputs) >= len(seen.rows["decision_log"]) or time.monotonic() > deadline:
                return seen, judge(seen, POLICIES)
            await asyncio.sleep(0.1)

    async def _keep(self, name: str, stop: asyncio.Event, crash: Point | None, log: Path | None) -> None:
        """Keep a worker running until `stop`; only its first process has the fault."""
        output = self.directory / "output"
        while not stop.is_set():
            process = victim.start(name, self.environment, output, crash, log)
            ended = asyncio.ensure_future(wait_for_end(process))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not ended.done():
                process.terminate()
                await asyncio.wait_for(ended, STOP_SECONDS)
            self.exits.append((name, process.exitcode))
            process.close()
            crash = log = None

    def tail(self) -> str:
        """The end of what the workers printed."""
        output = self.directory / "output"
        return output.read_text()[-2000:] if output.exists() else ""


async def remove(servers: LocalServers, name: str, topics: list[str]) -> None:
    """Remove a deployment's topics and database: hundreds of them would be too many for one broker."""
    admin = AdminClient({"bootstrap.servers": servers.bootstrap})
    for deleted in admin.delete_topics(topics).values():
        await asyncio.wrap_future(deleted)
    connection = await asyncpg.connect(servers.postgres.url())
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()


async def wait_for_end(process: ForkServerProcess) -> None:
    """Wait without a thread until a process has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
