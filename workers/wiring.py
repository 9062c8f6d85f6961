"""The only place that builds pools, consumers, producers and clocks, from the settings.

Each function opens what one process needs and closes it again; nothing else in the project knows both the
settings and the parts.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import asyncpg
import structlog
from confluent_kafka import KafkaException

from contracts.topics import INPUT_TOPICS
from workers import relay, spread, timers
from workers.codec.policies import load_policies
from workers.completeness import Present
from workers.enforcement.road import Enforcement
from workers.kafka import admin
from workers.kafka.last_record import last_record
from workers.marks import MARKS_TOPIC, Guard, Mark
from workers.measuring import Sampler, reach_kafka
from workers.ops.clock import WallClock
from workers.ops.health import Server, Vitals, serving
from workers.ops.metrics import Measured
from workers.ops.slots import NameTaken, owner_name, take_slot
from workers.ops.stderr import end_process
from workers.ops.watchdog import Watchdog
from workers.rules import RULES_VERSION
from workers.rules.policy import Policies
from workers.settings import Settings
from workers.standby import until_gone
from workers.store.connections import open_pool
from workers.store.deployment import Deployment, Wanted, adopt_server, check_rights, load_deployment
from workers.store.listener import Listener
from workers.store.postgres import Store, acquired, statement
from workers.supervisor import WorkerProcess, supervise
from workers.topics import check_topics, written_to

log = structlog.get_logger()

STOP_SECONDS = 14.0
"""How long a worker may take to stop in order: servers that are away answer nobody who takes his leave."""
NOT_STOPPED = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """What every worker has."""

    settings: Settings
    policies: Policies
    pool: asyncpg.Pool
    deployment: Deployment
    store: Store
    enforcement: Enforcement
    guard: Guard

    async def compare(self) -> None:
        """Compare what was published with the log once more; raises SetBack or CheckpointLost."""
        async with acquired(self.pool) as connection:
            await self.guard.compare(connection, even_moved=True)


@dataclass(frozen=True, slots=True)
class Database:
    """What a command has that asks the database alone."""

    settings: Settings
    pool: asyncpg.Pool
    deployment: Deployment
    store: Store


async def wanted(settings: Settings, policies: Policies, *, asks_kafka: bool = True) -> Wanted:
    """What these settings, this code and the reachable Kafka say that the deployment is."""
    return Wanted(
        kafka_cluster_id=await admin.cluster_id(settings.kafka) if asks_kafka else None,
        topic_prefix=settings.topic_prefix,
        consumer_group=settings.group,
        input_topics=INPUT_TOPICS,
        input_partitions=settings.partitions,
        shards=settings.shards,
        rules_version=RULES_VERSION,
        tzdata_version=version("tzdata"),
        policies=[(each.stamp.id, each.stamp.digest, each.effective_from) for each in policies.all],
    )


@asynccontextmanager
async def database(settings: Settings, name: str) -> AsyncIterator[Database]:
    """The database of this deployment and nothing else: no Kafka, no policies; raises DeploymentMismatch."""
    pool = await open_pool(settings.database_url.get_secret_value(), name=name, connections=2)
    try:
        deployment = await load_deployment(pool, {"topic_prefix": settings.topic_prefix})
        yield Database(settings, pool, deployment, Store(pool, deployment.fingerprint))
    finally:
        async with asyncio.timeout(10):
            await pool.close()


@asynccontextmanager
async def parts(
    settings: Settings, name: str, *, connections: int = 4, waits: bool = False, asks_kafka: bool = True
) -> AsyncIterator[Parts]:
    """Everything that a worker called `name` shares with the others; raises DeploymentMismatch or SetBack.

    A worker that `waits` writes only to a server that the relay knows. Only a command that reads and shows what the
    database says need not ask Kafka.
    """
    policies = load_policies(settings.policies)
    expected = await wanted(settings, policies, asks_kafka=asks_kafka)
    guard = Guard(settings.kafka, settings.topic_prefix)
    url = settings.database_url.get_secret_value()
    pool = await open_pool(url, name=name, connections=connections, connected=guard.connected)
    try:
        deployment = await load_deployment(pool, expected.expected)
        async with acquired(pool) as connection:
            if asks_kafka:
                await guard.compare(connection, even_moved=not waits)
            if waits:
                await check_rights(connection)
                await guard.wait_for_relay(connection)
        store = Store(pool, deployment.fingerprint)
        enforcement = Enforcement(
            store, policies, WallClock(), settings.settle, deployment.incarnation, deployment.shards
        )
        yield Parts(settings, policies, pool, deployment, store, enforcement, guard)
    finally:
        async with asyncio.timeout(10):
            await pool.close()


def worker_processes(settings: Settings) -> list[WorkerProcess]:
    """The processes of `standing work`; each has a metrics port of its own, whatever the number of ingests."""
    workers: list[tuple[str, dict[str, str]]] = [(name, {}) for name in ("timers", "spread", "relay")]
    for number in range(settings.ingests):
        name = settings.instance
        workers.append(("ingest", {} if name is None else {"STANDING_INSTANCE": f"{name}-{number}"}))
    return [
        WorkerProcess(name, [name], {**environment, "STANDING_METRICS_PORT": str(settings.metrics_port and port)})
        for port, (name, environment) in enumerate(workers, settings.metrics_port + 1)
    ]


@asynccontextmanager
async def vital(settings: Settings, name: str, needs: tuple[Server, ...]) -> AsyncIterator[Vitals]:
    """The vitals of a worker, watched, and served where a port is given."""
    with Watchdog(name, settings.watchdog_seconds) as watchdog:
        if not settings.metrics_port:
            yield Vitals(needs, watchdog=watchdog)
            return
        metrics = Measured(name)
        vitals = Vitals(needs, metrics, watchdog)
        async with serving(settings.metrics_host, settings.metrics_port, vitals, metrics):
            yield vitals


def sampler(made: Parts, vitals: Vitals) -> Sampler:
    """What samples the gauges of the deployment."""

    async def published(shard: int) -> int:
        marks = made.settings.topic_prefix + MARKS_TOPIC
        record = await last_record(made.settings.kafka, marks, shard)
        return 0 if record is None or record.value is None else Mark.decode(shard, record.value).seq

    clock, settle = made.enforcement.clock, made.settings.settle
    return Sampler(made.store, vitals.metrics, vitals.failed, clock, settle, published)


@asynccontextmanager
async def beside(settings: Settings, work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Do what only serves the metrics while the block runs, where somebody may ask for them."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work())] if settings.metrics_port else []
        yield
        for each in running:
            each.cancel()


async def run_supervisor(settings: Settings) -> int:
    """Every worker in a process of its own, until SIGTERM; returns the exit code for the shell."""
    processes = worker_processes(settings)
    if not settings.metrics_port:
        return await supervise(processes, Vitals())
    metrics = Measured("work")
    vitals = Vitals(metrics=metrics)
    async with serving(settings.metrics_host, settings.metrics_port, vitals, metrics):
        return await supervise(processes, vitals)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set. Who has not ended by then ends all the same: nothing is lost by that."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        if not stop.is_set():
            stop.set()
            loop.call_later(STOP_SECONDS, _end_now)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, begin)
    return stop


def _end_now() -> None:
    log.warning("ended without waiting any longer; what was not committed is read again", seconds=STOP_SECONDS)
    end_process(NOT_STOPPED)


async def run_ingest(settings: Settings) -> None:
    """One ingest worker until SIGTERM."""
    from workers.codec.decoding import Decoder
    from workers.ingest.worker import PARTITIONS, Ingest
    from workers.kafka.consumer import Intake  # with FastStream, which nobody else needs

    stop = stop_on_signals()
    with take_slot(f"{settings.kafka_bootstrap}\n{settings.group}", settings.instance) as instance:
        async with (
            vital(settings, "ingest", ("database", "kafka")) as vitals,
            parts(settings, f"ingest {instance}", waits=True) as made,
            beside(settings, partial(reach_kafka, settings.kafka, vitals)),
        ):
            intake = Intake(
                kafka=settings.kafka,
                topics=INPUT_TOPICS,
                prefix=settings.topic_prefix,
                group=settings.group,
                instance_id=instance,
                batch_size=settings.batch_size,
                topic_ids=made.deployment.topic_ids,
                vitals=vitals,
            )
            ingest = Ingest(
                store=made.store,
                enforcement=made.enforcement,
                decoder=Decoder(made.policies, settings.max_record_bytes),
                intake=intake,
                clock=WallClock(),
                present=Present(WallClock(), made.store, settings.clock == "events"),
                owner=owner_name(instance, await _server_clock(made)),
                input_partitions=settings.partitions,
                vitals=vitals,
            )
            vitals.has(PARTITIONS, really=False)
            vitals.metrics.before_scrape(ingest.measure)
            try:
                await ingest.run(stop)
            except* NameTaken as taken:
                await _stand_by(settings, instance, str(taken.exceptions[0]), vitals, stop)
                if not stop.is_set():
                    raise


async def _server_clock(made: Parts) -> int:
    [row] = await made.store.fetch(statement("server_clock"))
    return int(row[0])


async def _stand_by(settings: Settings, instance: str, why: str, vitals: Vitals, stop: asyncio.Event) -> None:
    """Wait until nobody else has the name in the consumer group."""
    log.error("two ingest workers have one name", why=why)
    vitals.has("a name of its own", really=False)
    asking = admin.Admin(settings.kafka)

    async def is_there() -> bool:
        try:
            return instance in await asking.fixed_names(settings.group)
        except (admin.KafkaUnreachable, KafkaException) as error:
            vitals.failed(error)
            return True

    await until_gone(is_there, vitals, stop)


async def run_timers(settings: Settings) -> None:
    """One timers worker until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "timers", ("database",)) as vitals,
        parts(settings, "timers", waits=True) as made,
        listening(made.pool, "standing_horizon") as listener,
        beside(settings, sampler(made, vitals).run),
    ):
        await timers.run(made.enforcement, listener, vitals, stop)


async def run_spread(settings: Settings) -> None:
    """One spread worker until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "spread", ("database",)) as vitals,
        parts(settings, "spread", waits=True) as made,
        listening(made.pool, "standing_spread") as listener,
    ):
        await spread.run(made.store, made.enforcement, listener.bell(), vitals, stop)


async def run_relay(settings: Settings) -> None:
    """One relay, for every shard of the log, until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "relay", ("database", "kafka")) as vitals,
        parts(settings, "relay", connections=9) as made,
        listening(made.pool, "standing_log") as listener,
        listening(made.pool, relay.ENDED) as ended,
        beside(settings, partial(reach_kafka, settings.kafka, vitals)),
    ):
        asking = admin.Admin(settings.kafka)
        check = partial(check_topics, asking, settings.topic_prefix, written_to(made.deployment.topic_ids))
        await check()
        shards = [
            relay.Shard(
                number=number,
                store=made.store,
                producer=relay.shard_producer(settings.kafka, settings.topic_prefix, number),
                incarnation=made.deployment.incarnation,
                prefix=settings.topic_prefix,
                compare=made.compare,
            )
            for number in range(made.deployment.shards)
        ]
        if made.guard.moved:
            for shard in shards:
                await shard.open()
            await adopt_server(made.pool)
            log.warning("another PostgreSQL was adopted: all that was published is in its log")
        await relay.run(shards, listener, ended, vitals, stop, check)


@asynccontextmanager
async def listening(pool: asyncpg.Pool, channel: str) -> AsyncIterator[Listener]:
    """A listener on a channel, closed at the end."""
    listener = Listener(pool, channel)
    try:
        yield listener
    finally:
        await listener.close()
