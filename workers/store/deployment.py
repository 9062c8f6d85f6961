"""The `deployment` row and the migrations: what a database was set up for, and whether this process may write to it.

A worker compares its settings with the row when it starts, and the row's fingerprint in every transaction
(`Transaction.lock_positions`, `Transaction.progress`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from workers.ops.refused import Refused
from workers.rules.calendar import Instant, written
from workers.store.connections import check_server, connect_types
from workers.store.log_parts import empty_default, extend_log
from workers.store.postgres import acquired
from workers.store.statements import statement

MIGRATIONS = Path(__file__).parents[2] / "schemas" / "postgres"
_MIGRATION = "[0-9]*.sql"
ROLES = ("standing_owner", "standing_worker", "standing_relay", "standing_reader")


class DeploymentMismatch(Refused):
    """The database was set up for other settings than this process has; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The deployment according to the settings and the code of this process."""

    kafka_cluster_id: str
    topic_prefix: str
    consumer_group: str
    input_topics: Sequence[str]
    input_partitions: int
    shards: int
    rules_version: int
    tzdata_version: str
    policies: Sequence[tuple[str, str, Instant]]
    """Id, SHA-256 and effective_from of each policy, in order."""


def policies_text(policies: Sequence[tuple[str, str, Instant]]) -> str:
    """The policies as the row stores them."""
    return json.dumps([{"id": each[0], "digest": each[1], "effective_from": written(each[2])} for each in policies])


@dataclass(frozen=True, slots=True)
class Deployment:
    """The values of the row that a worker needs."""

    incarnation: UUID
    fingerprint: str
    shards: int
    topic_ids: Mapping[str, str]
    """Kafka's topic ids by topic name without prefix."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server and the database that a connection reached; a restart, a restore or a failover changes it."""

    system_identifier: str
    timeline: int
    database: int
    started_at: str


def schema_version() -> int:
    """The number of the newest migration."""
    return max(int(path.name.split("-")[0]) for path in MIGRATIONS.glob(_MIGRATION))


async def load_deployment(pool: asyncpg.Pool, expected: Mapping[str, object]) -> Deployment:
    """The deployment, if its columns have the expected values; raises DatabaseUnfit or DeploymentMismatch."""
    async with acquired(pool) as connection:
        await check_server(connection)
        row = await _recorded(connection)
        shards = await connection.fetchval(statement("count_shards"))
    for name, value in {"schema_version": schema_version(), **expected}.items():
        if row[name] != value:
            raise DeploymentMismatch(_difference(name, row[name], value))
    return Deployment(row["incarnation"], row["fingerprint"], shards, _topic_ids(row))


def _topic_ids(row: Any) -> dict[str, str]:
    """Kafka's ids of the topics that `setup` recorded."""
    columns = (row.get("input_topic_ids"), row.get("output_topic_ids"))
    return {topic: each for column in columns for topic, each in json.loads(column or "{}").items()}


async def _recorded(connection: Any) -> Any:
    """The row of the deployment; raises DeploymentMismatch if the database was not set up."""
    if not await connection.fetchval(statement("deployment_exists")):
        raise DeploymentMismatch("the database is empty: run `standing setup` first")
    row = await connection.fetchrow(statement("deployment"))
    if row is None:
        raise DeploymentMismatch("the database was not set up completely: run `standing setup` again")
    if "schema_version" not in row:
        raise DeploymentMismatch(
            "the database belongs to another program: its table `deployment` has no schema_version"
        )
    return row


async def check_same_deployment(connection: Any, wanted: Wanted) -> None:
    """Raise DeploymentMismatch if the database was not set up, or was set up for another deployment.

    Incarnation, policies and rules are not compared.
    """
    _check_same_deployment(await _recorded(connection), wanted)


def _check_same_deployment(row: Any, wanted: Wanted) -> None:
    for name in ("kafka_cluster_id", "topic_prefix", "consumer_group", "input_partitions"):
        if row[name] != getattr(wanted, name):
            raise DeploymentMismatch(_difference(name, row[name], getattr(wanted, name)))


def _difference(name: str, stored: object, here: object) -> str:
    if name == "policies":
        return "the policies are not those that the database was set up with: run `standing setup` to adopt them"
    if name == "schema_version" and stored < here:  # type: ignore[operator]  # they are numbers
        return f"the database has schema version {stored}, this program {here}: run `standing setup` first"
    if name == "schema_version":
        return f"the database has schema version {stored}, this program {here}: run the newer program"
    return f"{name} is {here!r}, but the database was set up with {stored!r}; see `standing setup`"


async def connected_server(connection: Any) -> Server:
    """The server and the database that this connection reached."""
    return Server(*await connection.fetchrow(statement("server")))


async def check_rights(connection: Any) -> None:
    """Raise DeploymentMismatch if this database user lacks a worker's rights."""
    user, may = await connection.fetchrow(statement("may_write"))
    if not may:
        raise DeploymentMismatch(
            f"the database user {user} may not write what workers write: use standing_worker, or a role that "
            "the owner granted its rights"
        )


async def adopt_server(pool: asyncpg.Pool) -> None:
    """Record that the deployment is on this server now; its log must contain everything that was published."""
    async with acquired(pool) as connection:
        server = await connected_server(connection)
        await connection.execute(statement("adopt_server"), server.system_identifier, server.timeline)


async def set_up(connection: asyncpg.Connection, wanted: Wanted, now: Instant) -> list[str]:
    """Migrate and record the deployment; safe to repeat. Returns a line for each change.

    Raises DatabaseUnfit, and DeploymentMismatch if a change would alter the judgement of facts that were read.
    """
    await check_server(connection)
    await connect_types(connection)
    async with connection.transaction():
        await connection.execute(statement("lock_setup"))
        done = await _migrate(connection)
        row = await connection.fetchrow(statement("deployment"))
        if row is None:
            await _insert_deployment(connection, wanted)
            done.append("recorded the deployment")
        else:
            done += await _adopt(connection, row, wanted, now)
        await connection.execute(statement("insert_positions"), list(wanted.input_topics), wanted.input_partitions)
        if moved := await empty_default(connection):
            done.append(f"moved {moved} rows of decision_log_default into new partitions")
        if made := await extend_log(connection):
            done.append(f"created {made} partitions of the decision log")
        done += await _grant(connection)
    return done


async def known_topics(connection: Any) -> dict[str, str]:
    """Kafka's ids of the topics that must not be created again; empty before anything was read or published."""
    if not await connection.fetchval(statement("deployment_exists")):
        return {}
    row = await connection.fetchrow(statement("deployment"))
    if row is None or not await connection.fetchval(statement("has_begun")):
        return {}
    return _topic_ids(row)


async def record_topics(connection: Any, topic_ids: Mapping[str, str], *, inputs: bool) -> None:
    """Record Kafka's ids of all input topics, or of all output topics; names without prefix."""
    name = "note_input_topics" if inputs else "note_output_topics"
    await connection.execute(statement(name), json.dumps(dict(topic_ids)))


async def _grant(connection: asyncpg.Connection) -> list[str]:
    """Grant the roles their rights if they exist; each time, because new tables need new grants."""
    if await connection.fetchval(statement("count_roles"), ROLES) < len(ROLES):
        return []
    await connection.execute((MIGRATIONS / "grants.sql").read_text())
    return [f"granted rights to {', '.join(ROLES[1:])}"]


async def _migrate(connection: asyncpg.Connection) -> list[str]:
    await connection.execute(statement("create_migrations"))
    applied = {row[0] for row in await connection.fetch(statement("migrations"))}
    paths = sorted(MIGRATIONS.glob(_MIGRATION))
    if unknown := applied - {path.name for path in paths}:
        newest = max(unknown).removesuffix(".sql")
        raise DeploymentMismatch(
            f"the database was migrated to {newest}, which this program does not know: run the newer program"
        )
    done = []
    for path in paths:
        if path.name in applied:
            continue
        await connection.execute(path.read_text())
        await connection.execute(statement("note_migration"), path.name)
        done.append(f"migrated {path.stem}")
    return done


async def _insert_deployment(connection: asyncpg.Connection, wanted: Wanted) -> None:
    server = await connected_server(connection)
    incarnation = uuid4()
    columns = _columns(incarnation, wanted)
    await connection.execute(
        statement("insert_deployment"),
        incarnation,
        server.system_identifier,
        server.timeline,
        *columns,
    )
    await connection.execute(statement("insert_shards"), wanted.shards)


def _columns(incarnation: UUID, wanted: Wanted) -> list[object]:
    columns: list[object] = [
        wanted.kafka_cluster_id,
        wanted.topic_prefix,
        wanted.consumer_group,
        wanted.input_partitions,
        schema_version(),
        wanted.rules_version,
        wanted.tzdata_version,
        policies_text(wanted.policies),
    ]
    fingerprint = hashlib.sha256(json.dumps([str(incarnation), *columns]).encode()).hexdigest()
    return [*columns, fingerprint]


async def _adopt(connection: asyncpg.Connection, row: Any, wanted: Wanted, now: Instant) -> list[str]:
    """Adopt the changes that a database allows after its first setup."""
    server = await connected_server(connection)
    if (row["system_identifier"], row["timeline"]) != (server.system_identifier, server.timeline):
        raise DeploymentMismatch(
            "this PostgreSQL server is not the one that was set up: it was restored or failed over; first start "
            "`standing work`, whose relay compares it with what was published"
        )
    _check_same_deployment(row, wanted)
    newest = await connection.fetchval(statement("newest_fact"))
    if newest is not None:
        _check_policies(json.loads(row["policies"]), wanted, newest, now)
        for name in ("rules_version", "tzdata_version"):
            if row[name] != getattr(wanted, name):
                raise DeploymentMismatch(
                    f"{name} changes from {row[name]} to {getattr(wanted, name)}, which would change the judgement "
                    "of facts that were already read: rebuild the database from the topics instead"
                )
    columns = _columns(row["incarnation"], wanted)
    if columns[-1] == row["fingerprint"]:
        return []
    await _update_columns(connection, columns)
    return ["updated the deployment; workers that started before stop"]


async def adopt(connection: Any, incarnation: UUID, wanted: Wanted) -> None:
    """Make this the database of the deployment `incarnation`, on this server, after `check_same_deployment`."""
    server = await connected_server(connection)
    await connection.execute(statement("adopt_incarnation"), incarnation, server.system_identifier, server.timeline)
    await _update_columns(connection, _columns(incarnation, wanted))


async def _update_columns(connection: Any, columns: Sequence[object]) -> None:
    await connection.execute(statement("update_deployment"), *columns)


def _check_policies(stored: list[dict[str, str]], wanted: Wanted, newest: Instant, now: Instant) -> None:
    here = {each[0]: each for each in wanted.policies}
    known = {each["id"] for each in stored}
    for each in stored:
        found = here.get(each["id"])
        if found is None or found[1] != each["digest"]:
            change = "missing" if found is None else "changed"
            raise DeploymentMismatch(
                f"policy {each['id']!r} is {change}, but facts were already judged by it: restore the file and "
                "add a new policy, or rebuild the database from the topics"
            )
    limit = max(newest, now + 5 * 60 * 1_000_000)
    for policy_id, _, effective_from in wanted.policies:
        if policy_id not in known and effective_from <= limit:
            raise DeploymentMismatch(
                f"policy {policy_id!r} takes effect at {written(effective_from)}, but must take effect after "
                f"{written(limit)}, up to which facts were already read: choose a later instant, or rebuild the "
                "database from the topics"
            )


async def hold(pool: asyncpg.Pool, why: str | None) -> None:
    """Set the deadline hold to a reason, or clear it with None; for transactions that begin from now on."""
    await pool.execute(statement("set_hold"), why)


async def under_way(pool: asyncpg.Pool) -> dict[tuple[int, str], str]:
    """The running transactions of this deployment's processes that may have read the deadline hold.

    Process id and virtual transaction, with the application's name.
    """
    rows = await pool.fetch(statement("under_way"))
    return {(row["pid"], row["virtualtransaction"]): row["application_name"] for row in rows}
