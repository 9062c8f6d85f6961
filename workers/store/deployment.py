"""What a database was set up for, and whether this worker may write to it.

Owns the `deployment` row and the migrations. Every worker compares its own settings with the row at its start
(here) and with the row's fingerprint in every transaction (`Transaction.advance`, `Transaction.progress`).
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
    """The database was set up for something else than this worker's settings; says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this process's settings and code say the deployment is."""

    kafka_cluster_id: str
    topic_prefix: str
    consumer_group: str
    input_topics: Sequence[str]
    input_partitions: int
    shards: int
    rules_version: int
    tzdata_version: str
    policies: Sequence[tuple[str, str, Instant]]
    """Id, SHA-256 and effective_from of each policy, in their order."""


def policies_text(policies: Sequence[tuple[str, str, Instant]]) -> str:
    """The policies as the row keeps them."""
    return json.dumps([{"id": each[0], "digest": each[1], "effective_from": written(each[2])} for each in policies])


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a worker needs to know of the database it writes to."""

    incarnation: UUID
    fingerprint: str
    shards: int
    topic_ids: Mapping[str, str]
    """Kafka's id of each topic that was set up, names without prefix."""


@dataclass(frozen=True, slots=True)
class Server:
    """A database as one connection reached it; another one where it was restarted, restored or replaced."""

    system_identifier: str
    timeline: int
    database: int
    started_at: str


def schema_version() -> int:
    """The number of the newest migration."""
    return max(int(path.name.split("-")[0]) for path in MIGRATIONS.glob(_MIGRATION))


async def load_deployment(pool: asyncpg.Pool, expected: Mapping[str, object]) -> Deployment:
    """The deployment, if its columns are as expected; raises DatabaseUnfit or DeploymentMismatch."""
    async with acquired(pool) as connection:
        await check_server(connection)
        row = await _recorded(connection)
        shards = await connection.fetchval(statement("count_shards"))
    for name, value in {"schema_version": schema_version(), **expected}.items():
        if row[name] != value:
            raise DeploymentMismatch(_difference(name, row[name], value))
    return Deployment(row["incarnation"], row["fingerprint"], shards, _topic_ids(row))


def _topic_ids(row: Any) -> dict[str, str]:
    """Kafka's ids of the topics, those of the outputs too once a `setup` noted them."""
    columns = (row.get("input_topic_ids"), row.get("output_topic_ids"))
    return {topic: each for column in columns for topic, each in json.loads(column or "{}").items()}


async def _recorded(connection: Any) -> Any:
    """The row of the deployment; raises DeploymentMismatch where the database was not set up."""
    if not await connection.fetchval(statement("deployment_exists")):
        raise DeploymentMismatch("the database is empty: run `standing setup` first")
    row = await connection.fetchrow(statement("deployment"))
    if row is None:
        raise DeploymentMismatch("the database was not set up to its end: run `standing setup` again")
    if "schema_version" not in row:
        raise DeploymentMismatch("the database is of something else: its table `deployment` has no schema_version")
    return row


async def check_same_one(connection: Any, wanted: Wanted) -> None:
    """Raise DeploymentMismatch where the database was not set up, or for another deployment.

    Its incarnation, policies and rules may be any.
    """
    _check_same_one(await _recorded(connection), wanted)


def _check_same_one(row: Any, wanted: Wanted) -> None:
    for name in ("kafka_cluster_id", "topic_prefix", "consumer_group", "input_partitions"):
        if row[name] != getattr(wanted, name):
            raise DeploymentMismatch(_difference(name, row[name], getattr(wanted, name)))


def _difference(name: str, stored: object, here: object) -> str:
    if name == "policies":
        return "the policies here are not those the database was set up with: run `standing setup` to adopt them"
    if name == "schema_version" and stored < here:  # type: ignore[operator]  # they are numbers
        return f"the database is of schema version {stored}, this program of {here}: run its `standing setup` first"
    if name == "schema_version":
        return f"the database is of schema version {stored}, this program of {here}: run the newer program"
    return f"{name} is {here!r} here, but the database was set up with {stored!r}; see `standing setup`"


async def server_of(connection: Any) -> Server:
    """Which database of which server, started when, this connection reached."""
    return Server(*await connection.fetchrow(statement("server")))


async def check_rights(connection: Any) -> None:
    """Raise DeploymentMismatch where this user of the database may not do what a worker does."""
    user, may = await connection.fetchrow(statement("may_write"))
    if not may:
        raise DeploymentMismatch(
            f"the database's user {user} may not write what workers write: use standing_worker, or another that the "
            "owner gave its rights"
        )


async def adopt_server(pool: asyncpg.Pool) -> None:
    """Note that the deployment lives on this server now; only once its log has all that was published."""
    async with acquired(pool) as connection:
        server = await server_of(connection)
        await connection.execute(statement("adopt_server"), server.system_identifier, server.timeline)


async def set_up(connection: asyncpg.Connection, wanted: Wanted, now: Instant) -> list[str]:
    """Migrate and record the deployment; safe to repeat. Returns what was done, for the operator.

    Raises DatabaseUnfit, and DeploymentMismatch where a change would judge what was already read differently.
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
            done.append(f"moved {moved} rows of decision_log_default into parts of their own")
        if made := await extend_log(connection):
            done.append(f"made {made} parts of the decision log")
        done += await _grant(connection)
    return done


async def known_topics(connection: Any) -> dict[str, str]:
    """Kafka's ids of the topics that must not be made again; none before anything was read or published."""
    if not await connection.fetchval(statement("deployment_exists")):
        return {}
    row = await connection.fetchrow(statement("deployment"))
    if row is None or not await connection.fetchval(statement("has_begun")):
        return {}
    return _topic_ids(row)


async def record_topics(connection: Any, topic_ids: Mapping[str, str], *, inputs: bool) -> None:
    """Note Kafka's ids of all input topics, or of all that are written; names without prefix."""
    name = "note_input_topics" if inputs else "note_output_topics"
    await connection.execute(statement(name), json.dumps(dict(topic_ids)))


async def _grant(connection: asyncpg.Connection) -> list[str]:
    """Give the roles their rights, where somebody made them; anew each time, for new tables need new ones."""
    there = await connection.fetchval(statement("count_roles"), ROLES)
    if there < len(ROLES):
        return []
    await connection.execute((MIGRATIONS / "grants.sql").read_text())
    return [f"gave {', '.join(ROLES[1:])} their rights"]


async def _migrate(connection: asyncpg.Connection) -> list[str]:
    await connection.execute(statement("create_migrations"))
    applied = {row[0] for row in await connection.fetch(statement("migrations"))}
    paths = sorted(MIGRATIONS.glob(_MIGRATION))
    if unknown := applied - {path.name for path in paths}:
        newest = max(unknown).removesuffix(".sql")
        raise DeploymentMismatch(f"the database was migrated to {newest}, unknown to this program: run the newer one")
    done = []
    for path in paths:
        if path.name in applied:
            continue
        await connection.execute(path.read_text())
        await connection.execute(statement("note_migration"), path.name)
        done.append(f"migrated {path.stem}")
    return done


async def _insert_deployment(connection: asyncpg.Connection, wanted: Wanted) -> None:
    server = await server_of(connection)
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
    """Adopt what may change in a database that was set up before."""
    server = await server_of(connection)
    if (row["system_identifier"], row["timeline"]) != (server.system_identifier, server.timeline):
        raise DeploymentMismatch(
            "this is another PostgreSQL than the one that was set up: it was restored or failed over; start "
            "`standing work`, whose relay compares it with what was published, before anything is adopted"
        )
    _check_same_one(row, wanted)
    newest = await connection.fetchval(statement("newest_fact"))
    if newest is not None:
        _check_policies(json.loads(row["policies"]), wanted, newest, now)
        for name in ("rules_version", "tzdata_version"):
            if row[name] != getattr(wanted, name):
                raise DeploymentMismatch(
                    f"{name} changes from {row[name]} to {getattr(wanted, name)}, which would judge what was "
                    "already read anew: rebuild the database from the topics instead"
                )
    columns = _columns(row["incarnation"], wanted)
    if columns[-1] == row["fingerprint"]:
        return []
    await _update_columns(connection, columns)
    return ["recorded the deployment anew; workers of the former one stop"]


async def adopt(connection: Any, incarnation: UUID, wanted: Wanted) -> None:
    """Let the database be that of the deployment `incarnation`, on this server; `check_same_one` comes first."""
    server = await server_of(connection)
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
                f"policy {each['id']!r} is {change}, and facts were already judged by it: put the file back as "
                "it was and add a new policy, or rebuild the database from the topics"
            )
    limit = max(newest, now + 5 * 60 * 1_000_000)
    for policy_id, _, effective_from in wanted.policies:
        if policy_id not in known and effective_from <= limit:
            raise DeploymentMismatch(
                f"policy {policy_id!r} takes effect at {written(effective_from)}, which must be later than "
                f"{written(limit)}: facts up to then were already read; let it begin later, or rebuild the "
                "database from the topics"
            )


async def hold(pool: asyncpg.Pool, why: str | None) -> None:
    """Enforce no deadline, for a reason, or with None enforce them again. It holds for what begins from now on."""
    await pool.execute(statement("set_hold"), why)


async def under_way(pool: asyncpg.Pool) -> dict[tuple[int, str], str]:
    """The transactions of this deployment's processes that may have read whether deadlines are held.

    By process and virtual transaction, with the process's name.
    """
    rows = await pool.fetch(statement("under_way"))
    return {(row["pid"], row["virtualtransaction"]): row["application_name"] for row in rows}
