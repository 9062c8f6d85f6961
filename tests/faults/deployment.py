"""A deployment for one fault: a database and a prefix of its own on shared servers, and its workers apart.

Owns how facts are sent and how workers are kept running. A worker that dies is restarted, as its supervisor
would.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.faults.counting import Calls, Point, install
from tests.faults.scenario import NEWEST, STEPS
from tests.model.calendar import write_instant
from tests.support.checker import Verdict, judge
from tests.support.deployment import Deployment
from tests.support.forked import Forked, ended
from tests.support.policies import POLICIES
from tests.support.seen import INPUT_TOPICS, OUTPUT_TOPICS, Seen, look, read_topics
from tests.support.tree import MAY_END
from workers.commands.setup import run_setup
from workers.demo.generate import Generated, produce
from workers.devservers.servers import LocalPostgres
from workers.kafka.security import KafkaAccess
from workers.topic_specs import topic_specs

WORKERS = ("ingest", "timers", "fanout", "relay")
PATIENCE_SECONDS = 90.0
STOP_SECONDS = 20.0
RESTART_SECONDS = 0.2

PROCESSED = """
select (select sum(next_offset) from positions) = $1
   and (select bool_and(watermark = $2::text::timestamptz) from positions)
   and (select partitions_compared_until >= $2::text::timestamptz from deployment)
   and not exists (select from accounts where next_check <= $2::text::timestamptz and quarantined is null)
   and not exists (select from company_fanouts s where not exists (
           select from memberships m join accounts a using (account_id)
           where m.company_key = s.company_key and a.deferred))
"""


class NotProcessed(Exception):
    """The deployment did not become idle in time."""


@dataclass
class FaultyDeployment:
    """A deployment as the test reaches it, and the settings of its workers, which may go through proxies."""

    plain: Deployment
    workers: dict[str, str]
    directory: Path
    processes: dict[str, Forked] = field(default_factory=dict)
    exits: list[tuple[str, int | None]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    patience_seconds: float = PATIENCE_SECONDS
    of_each: int = 1
    """How many of each worker there are."""

    @classmethod
    @asynccontextmanager
    async def made(
        cls, bootstrap: str, postgres: LocalPostgres, name: str, **workers: str
    ) -> AsyncIterator["FaultyDeployment"]:
        """A deployment that was set up and does not run yet; removed at the end."""
        plain = Deployment(
            {
                "STANDING_KAFKA_BOOTSTRAP": bootstrap,
                "STANDING_DATABASE_URL": postgres.url(name),
                "STANDING_TOPIC_PREFIX": f"{name}.",
                "STANDING_PARTITIONS": "2",
                "STANDING_SHARDS": "1",
                "STANDING_CLOCK": "events",
                "STANDING_ALLOWED_LATENESS_SECONDS": "0",
                "STANDING_BATCH_SIZE": "100",
            }
        )
        await run_setup(plain.settings)
        try:
            with TemporaryDirectory(prefix="faults-") as directory:
                yield cls(plain, plain.environment | workers, Path(directory))
        finally:
            topics = [spec.name for spec in topic_specs(plain.settings)]
            await remove(bootstrap, postgres, name, topics)

    @property
    def bootstrap(self) -> str:
        return self.plain.environment["STANDING_KAFKA_BOOTSTRAP"]

    @property
    def database_url(self) -> str:
        return self.plain.environment["STANDING_DATABASE_URL"]

    @property
    def prefix(self) -> str:
        return self.plain.prefix

    # -- workers -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def working(
        self, worker: str | None = None, crash: Point | None = None, log: Path | None = None
    ) -> AsyncIterator[None]:
        """All four workers while the block runs; `worker` dies at `crash`, or logs its calls."""
        stop = asyncio.Event()
        keepers = []
        for name in WORKERS:
            faults = (crash, log) if name == worker else (None, None)
            keepers.append(asyncio.create_task(self.keep(name, name, stop, *faults)))
            for number in range(2, self.of_each + 1):
                keepers.append(asyncio.create_task(self.keep(name, f"{name}-{number}", stop)))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*keepers)

    async def keep(
        self, worker: str, instance: str, stop: asyncio.Event, crash: Point | None = None, log: Path | None = None
    ) -> None:
        """Keep a worker running until `stop`; only its first process has the fault."""
        environment = os.environ | self.workers | {"STANDING_INSTANCE": f"{self.prefix}{instance}"}
        while not stop.is_set():
            counted = partial(install, Calls(crash, log)) if crash is not None or log is not None else None
            with (self.directory / f"{instance}.output").open("ab") as output:
                process = Forked((worker,), counted, env=environment, stdout=output, stderr=output)
            self.processes[instance] = process
            end = asyncio.ensure_future(ended(process))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((end, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                process.terminate()
                await asyncio.wait_for(end, STOP_SECONDS)
            self.exits.append((instance, process.returncode))
            del self.processes[instance]
            crash = log = None
            await asyncio.wait((stopped,), timeout=RESTART_SECONDS)
            stopped.cancel()

    def tail(self) -> str:
        """The end of what each worker printed."""
        return "\n".join(f"{each.stem}:\n{each.read_text()[-1000:]}" for each in self._outputs())

    def output(self) -> str:
        """All that the workers printed."""
        return "".join(each.read_text() for each in self._outputs())

    def output_of(self, instance: str) -> str:
        """What one of them printed, before and after its restarts."""
        return (self.directory / f"{instance}.output").read_text()

    def forget_output(self) -> None:
        """Forget what was printed."""
        for each in self._outputs():
            each.write_text("")

    def _outputs(self) -> list[Path]:
        return sorted(self.directory.glob("*.output"))

    # -- facts ---------------------------------------------------------------------------------------------

    async def play(
        self, worker: str | None = None, crash: Point | None = None, log: Path | None = None
    ) -> tuple[Seen, Verdict]:
        """Play the scenario to its end, with a fault in one worker; what is seen then, judged."""
        await self.send_step(0)
        async with self.working(worker, crash, log):
            await self.step_processed(0)
            for number in range(1, len(STEPS)):
                await self.send_step(number)
                await self.step_processed(number)
            await self.published()
        return await self.at_rest()

    async def send_step(self, number: int) -> None:
        """Send a step of the scenario."""
        await asyncio.to_thread(self.plain.send, STEPS[number])

    async def step_processed(self, number: int) -> None:
        """Wait until the scenario is decided up to a step."""
        await self.processed(sum(len(each) for each in STEPS[: number + 1]), NEWEST[number])

    async def stream(self, messages: Sequence[Generated]) -> None:
        """Send a history in the order of its arrival."""
        await asyncio.to_thread(produce, messages, KafkaAccess(self.bootstrap), self.prefix)

    async def streamed(self, messages: Sequence[Generated]) -> None:
        """Wait until a history that was sent is decided, also what its producer had to send twice."""
        _, ends = await asyncio.to_thread(read_topics, self.bootstrap, self.prefix, INPUT_TOPICS)
        await self.processed(sum(ends.values()), write_instant(max(each.event_at for each in messages)))

    async def at_work(self) -> None:
        """Wait until a record was processed."""
        await self.until("select sum(next_offset) > 0 from positions")

    async def processed(self, sent: int, newest: str) -> None:
        """Wait until everything sent is decided, and every deadline up to `newest`."""
        await self.until(PROCESSED, sent, newest)

    async def until(self, condition: str, *arguments: object) -> None:
        """Wait until a query of the database says true."""
        deadline = time.monotonic() + self.patience_seconds
        connection = await asyncpg.connect(self.database_url)
        try:
            while not await connection.fetchval(condition, *arguments):
                if time.monotonic() > deadline:
                    raise NotProcessed(f"after {self.patience_seconds} s; exits {self.exits}; {self.tail()}")
                await asyncio.sleep(0.03)
        finally:
            await connection.close()

    async def observed(self, true: Callable[[], bool]) -> None:
        """Wait until something outside the database is so."""
        deadline = time.monotonic() + self.patience_seconds
        while not await asyncio.to_thread(true):
            if time.monotonic() > deadline:
                raise NotProcessed(f"not seen in {self.patience_seconds} s; {self.tail()}")
            await asyncio.sleep(0.1)

    async def published(self) -> None:
        """Wait until the relay has published the log; the verdict is on what there is after the time, if not."""
        deadline = time.monotonic() + self.patience_seconds
        while True:
            seen = await look(self.bootstrap, self.database_url, self.prefix)
            if len(seen.outputs) >= len(seen.rows["decision_log"]) or time.monotonic() > deadline:
                self.verdicts.append(await asyncio.to_thread(judge, seen, POLICIES))
                return
            await asyncio.sleep(0.1)

    async def at_rest(self) -> tuple[Seen, Verdict]:
        """What is seen once the workers have stopped and no transaction is open, judged.

        What was wrong when all was published, and a worker that ended as none may, are in the verdict as well.
        """
        assert not self.processes, "a deployment at rest has no workers"
        await self.observed(lambda: ends_seen(self.bootstrap, self.prefix))
        seen = await look(self.bootstrap, self.database_url, self.prefix)
        verdict = await asyncio.to_thread(judge, seen, POLICIES)
        for before in self.verdicts:
            verdict.wrong += [
                f"while the workers ran: {each}" for each in (*before.lost, *before.doubled, *before.wrong)
            ]
        verdict.wrong += self.ended_wrongly
        return seen, verdict

    @property
    def ended_wrongly(self) -> list[str]:
        """The workers that ended with an exit code that no fault may cause."""
        return [f"{name} ended with {code}" for name, code in self.exits if code not in MAY_END]


def ends_seen(bootstrap: str, prefix: str) -> bool:
    """Whether a `read_committed` reader sees the ends of all topics the engine writes: no transaction is open."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    names = {prefix + topic for topic in OUTPUT_TOPICS}
    topics = client.list_topics(timeout=PATIENCE_SECONDS).topics
    asked = {
        TopicPartition(name, number): OffsetSpec.latest() for name in names for number in topics[name].partitions
    }
    ends = [
        {place: future.result().offset for place, future in client.list_offsets(asked, isolation_level=level).items()}
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    ]
    return ends[0] == ends[1]


async def remove(bootstrap: str, postgres: LocalPostgres, name: str, topics: list[str]) -> None:
    """Remove a deployment's topics and database: hundreds of them would be too many for one broker."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for deleted in admin.delete_topics(topics).values():
        await asyncio.wrap_future(deleted)
    connection = await asyncpg.connect(postgres.url())
    await connection.execute(f'drop database "{name}" with (force)')
    await connection.close()
