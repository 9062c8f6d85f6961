"""`standing setup`: creates or migrates the database, creates or checks the topics, records the policies."""

from collections.abc import Sequence

import asyncpg

from contracts.topics import INPUT_TOPICS
from workers.checkpoints import CHECKPOINTS_TOPIC, check_unpublished, compare_published
from workers.codec.policies import load_policies
from workers.kafka.admin import Admin, cluster_id, compare_settings, ensure_topics
from workers.kafka.broker_settings import check_brokers
from workers.lost_topics import check_topics
from workers.ops.clock import WallClock
from workers.settings import Settings
from workers.store.connections import connect, database_of
from workers.store.deployment import known_topics, record_topics, set_up
from workers.store.statements import statement
from workers.topic_specs import WRITTEN, topic_specs
from workers.wiring import wanted


async def run_setup(settings: Settings) -> list[str]:
    """Set everything up; safe to repeat. Returns a line for each change.

    Raises BadPolicy, DatabaseUnfit, BrokersUnfit, DeploymentMismatch, SetBack, TopicLost, KafkaUnreachable,
    TopicMismatch or the database's own errors.
    """
    policies = load_policies(settings.policies)
    expected = wanted(settings, policies, await cluster_id(settings.kafka))
    url = settings.database_url
    done = await _create_database(url)
    connection = await connect(url)
    try:
        await check_brokers(settings.kafka)
        await check_topics(Admin(settings.kafka), settings.topic_prefix, await known_topics(connection))
        await _compare(settings, connection)
        done += await set_up(connection, expected, WallClock().wall())
        created = await ensure_topics(settings.kafka, topic_specs(settings))
        done += [f"created topic {name}" for name in created]
        findings = await compare_settings(Admin(settings.kafka), topic_specs(settings))
        done += [f"warning: {line}" for line in findings.warnings]
        for topics in (INPUT_TOPICS, WRITTEN):
            await note_topics(settings, connection, topics)
    finally:
        await connection.close()
    return done


async def note_topics(settings: Settings, connection: asyncpg.Connection, topics: Sequence[str]) -> None:
    """Record the ids that these topics have now; a topic with another id was recreated since."""
    found = await Admin(settings.kafka).describe([settings.topic_prefix + topic for topic in topics])
    ids = {name.removeprefix(settings.topic_prefix): state.topic_id for name, state in found.items()}
    await record_topics(connection, ids, inputs=topics is INPUT_TOPICS)


async def _compare(settings: Settings, connection: asyncpg.Connection) -> None:
    """Refuse a database that lacks published rows (SetBack) before anything changes in it.

    A new database lacks them too; `relay --reconcile` restores them after `setup`.
    """
    prefix = settings.topic_prefix
    admin = Admin(settings.kafka)
    if not await admin.describe([prefix + CHECKPOINTS_TOPIC]):
        await check_unpublished(admin, prefix)
    elif await connection.fetchval(statement("deployment_exists")):
        await compare_published(admin, prefix, connection)


async def _create_database(url: str) -> list[str]:
    """Create the database that the URL names if it is missing; returns a line if so."""
    name = database_of(url)
    try:
        connection = await connect(url)
    except asyncpg.InvalidCatalogNameError:
        connection = await connect(url, database="postgres")
        await connection.execute(await connection.fetchval(statement("create_database"), name))
        await connection.close()
        return [f"created database {name}"]
    await connection.close()
    return []
