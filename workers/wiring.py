"""The composition root: opens the servers that a command needs, from the settings.

`open_database` opens PostgreSQL, `open_kafka` the brokers, `open_worker` everything that a deciding process needs.
Each compares the settings with the database's and closes everything at the end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tzdata

from contracts.topics import INPUT_TOPICS
from workers import timeouts
from workers.rules import RULES_VERSION
from workers.rules.calendar import Instant
from workers.settings import Settings
from workers.store.connections import open_pool
from workers.store.deployment import Deployment, Wanted, check_rights, load_deployment, policies_text
from workers.store.postgres import Store, acquired

if TYPE_CHECKING:
    import asyncpg

    from workers.checkpoints import Guard
    from workers.enforcement.process import Enforcement
    from workers.kafka.admin import Admin
    from workers.kafka.security import KafkaAccess
    from workers.rules.policy import Policies


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the deployment."""

    settings: Settings
    pool: "asyncpg.Pool"
    deployment: Deployment
    store: Store


@dataclass(frozen=True, slots=True)
class Kafka:
    """The brokers of the deployment."""

    access: "KafkaAccess"
    prefix: str
    """The prefix of every topic's name."""
    cluster_id: str
    admin: "Admin"
    guard: "Guard"


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of a process that decides."""

    settings: Settings
    pool: "asyncpg.Pool"
    deployment: Deployment
    store: Store
    policies: "Policies"
    enforcement: "Enforcement"
    kafka: Kafka

    async def compare(self) -> None:
        """Compare what was published with the log once more; raises SetBack or CheckpointLost."""
        async with acquired(self.pool) as connection:
            await self.kafka.guard.compare(connection, even_moved=True)


def wanted(settings: Settings, policies: "Policies", cluster_id: str) -> Wanted:
    """The deployment according to the settings, the code and the Kafka cluster that answered."""
    return Wanted(
        kafka_cluster_id=cluster_id,
        topic_prefix=settings.topic_prefix,
        consumer_group=settings.group,
        input_topics=INPUT_TOPICS,
        input_partitions=settings.partitions,
        shards=settings.shards,
        rules_version=RULES_VERSION,
        tzdata_version=tzdata.__version__,
        policies=_stamps(policies),
    )


def _stamps(policies: "Policies") -> list[tuple[str, str, Instant]]:
    return [(each.stamp.id, each.stamp.digest, each.effective_from) for each in policies.all]


@asynccontextmanager
async def open_kafka(settings: Settings) -> AsyncIterator[Kafka]:
    """The brokers, after one request to them; raises KafkaUnreachable or KafkaRefused."""
    from workers.checkpoints import Guard
    from workers.kafka.admin import Admin

    admin = Admin(settings.kafka)
    guard = Guard(admin, settings.topic_prefix)
    yield Kafka(settings.kafka, settings.topic_prefix, await admin.cluster_id(), admin, guard)


@asynccontextmanager
async def open_database(
    settings: Settings,
    name: str,
    *,
    read_only: bool = False,
    connections: int = 2,
    kafka: Kafka | None = None,
    policies: "Policies | None" = None,
    waits: bool = False,
) -> AsyncIterator[Database]:
    """The database, with the application name `name`; with `kafka`, it must contain everything that was published.

    Raises DeploymentMismatch if it was set up for other settings, brokers or policies, and SetBack if it lacks a
    published row. With `waits`, it first waits until the relay has adopted the server.
    """
    expected: dict[str, object] = {"topic_prefix": settings.topic_prefix}
    options: dict[str, Any] = {"name": name, "connections": connections, "read_only": read_only}
    if kafka is not None:
        options["connected"] = kafka.guard.connected
        expected |= {
            "kafka_cluster_id": kafka.cluster_id,
            "consumer_group": settings.group,
            "input_partitions": settings.partitions,
        }
    if policies is not None:
        expected |= {
            "rules_version": RULES_VERSION,
            "tzdata_version": tzdata.__version__,
            "policies": policies_text(_stamps(policies)),
        }
    pool = await open_pool(settings.database_url, **options)
    try:
        deployment = await load_deployment(pool, expected)
        if kafka is not None:
            await _compare(pool, kafka.guard, waits=waits)
        yield Database(settings, pool, deployment, Store(pool, deployment.fingerprint))
    finally:
        async with asyncio.timeout(timeouts.CLOSE_SECONDS):
            await pool.close()


async def _compare(pool: "asyncpg.Pool", guard: "Guard", *, waits: bool) -> None:
    async with acquired(pool) as connection:
        await guard.compare(connection, even_moved=not waits)
        if waits:
            await check_rights(connection)
            await guard.wait_for_relay(connection)


@asynccontextmanager
async def open_worker(
    settings: Settings, name: str, *, connections: int = 4, waits: bool = False
) -> AsyncIterator[Worker]:
    """Everything that a deciding process called `name` needs; raises what `open_kafka` and `open_database` raise."""
    from workers.codec.policies import load_policies
    from workers.enforcement.process import Enforcement
    from workers.ops.clock import WallClock

    policies = load_policies(settings.policies)
    async with (
        open_kafka(settings) as kafka,
        open_database(
            settings, name, connections=connections, kafka=kafka, policies=policies, waits=waits
        ) as database,
    ):
        deployment = database.deployment
        enforcement = Enforcement(
            database.store,
            policies,
            WallClock(),
            settings.allowed_lateness,
            deployment.incarnation,
            deployment.shards,
        )
        yield Worker(settings, database.pool, deployment, database.store, policies, enforcement, kafka)
