"""Connections to PostgreSQL: whom to ask, what each session is set to, and what a database must be.

Owns what the engine relies on, whatever the server, the database or the role sets by default: a session sets by
itself what it can (`SESSION`); what it cannot is compared at the start (`check_server`), and said in one line.
"""

from collections.abc import Callable, Coroutine
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import asyncpg

from workers import timeouts
from workers.ops.refused import Refused
from workers.rules.calendar import Instant
from workers.store.statements import statement

_POSTGRES_EPOCH: Instant = 946_684_800_000_000  # 2000-01-01T00:00:00Z
OLDEST_VERSION = 16

SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "search_path": "public",
    # A later statement sees what was committed while an earlier one waited for its lock: see `workers.enforcement`.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # What was committed is published, so it must be on disk, and on the synchronous standby's where there is one.
    "synchronous_commit": "on",
    "lock_timeout": f"{timeouts.LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{timeouts.IDLE_IN_TRANSACTION_SECONDS}s",
    "idle_session_timeout": "0",
    "jit": "off",
    "plan_cache_mode": "auto",
    "enable_indexscan": "on",
    "enable_nestloop": "on",
}
"""What every session is set to."""

_OF_WORKERS = {
    "statement_timeout": f"{timeouts.STATEMENT_SECONDS}s",
    # Every statement looks rows up by their keys; a plan that reads whole tables is never the right one,
    # and must not be chosen because statistics are stale.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
_OF_COMMANDS = {"statement_timeout": f"{timeouts.OPERATOR_STATEMENT_SECONDS}s"}

_AWAY = (
    OSError,  # a time-out too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""Why no connection can be made just now."""
_REFUSES_SESSION = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
)
"""The URL has a parameter that is no setting of PostgreSQL, as `connect_timeout`, or none of a session."""


class DatabaseUnreachable(ConnectionError):
    """PostgreSQL did not let a connection be made, though it may later."""

    server = "PostgreSQL"


class DatabaseSilent(TimeoutError):
    """PostgreSQL gave no answer, or no connection to it became free, in time."""

    server = "PostgreSQL"


class DatabaseUnfit(Refused):
    """The database or its server cannot keep what the engine promises; says what to do."""


async def connect_types(connection: asyncpg.Connection) -> None:
    """Read and write timestamptz as instants: microseconds since 1970 in UTC."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda at: (at - _POSTGRES_EPOCH,),
        decoder=lambda parts: parts[0] + _POSTGRES_EPOCH,
        format="tuple",
    )


def hosts_of(url: str) -> list[str]:
    """The URL once for each of its hosts, in their order."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]


def database_of(url: str) -> str:
    """The name of the database that the URL asks for."""
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return unquote(parts.path.lstrip("/")) or asked.get("dbname") or asked.get("database") or "postgres"


async def connect(url: str, *, server_settings: dict[str, str] | None = None, **options: Any) -> asyncpg.Connection:
    """One connection, to the first host that has what the URL asks for; each has the whole time.

    Raises DatabaseUnreachable, which names the servers and never the password, and DatabaseUnfit where the URL has a
    parameter that PostgreSQL does not know.
    """
    failures: list[str] = []
    session = {**SESSION, **(_OF_COMMANDS if server_settings is None else server_settings)}
    given = {"timeout": timeouts.CONNECT_SECONDS, "server_settings": session, **options}
    for each in hosts_of(url):
        try:
            return await asyncpg.connect(each, **given)
        except _REFUSES_SESSION as error:
            raise DatabaseUnfit(
                f"what STANDING_DATABASE_URL asks of a session PostgreSQL refuses: {error}"
            ) from error
        except _AWAY as error:
            server = urlsplit(each).netloc.rpartition("@")[2] or "its default address"
            failures.append(f"PostgreSQL at {server} cannot be reached: {str(error) or 'no answer in time'}")
    raise DatabaseUnreachable("; ".join(failures))


async def open_pool(
    url: str,
    *,
    name: str,
    connections: int = 4,
    read_only: bool = False,
    connected: Callable[[Any], Coroutine[Any, Any, None]] = connect_types,
    **options: Any,
) -> asyncpg.Pool:
    """A pool whose every wait has a limit; `name` is shown in pg_stat_activity.

    Nothing can be written where it is `read_only`. `connected` makes each new connection ready, or raises where it
    must not be used.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections,
        connect=cast("Any", connect),  # the stubs want every option of it named
        init=connected,
        timeout=timeouts.CONNECT_SECONDS,
        command_timeout=timeouts.ANSWER_SECONDS,
        server_settings={
            "application_name": f"standing {name}",
            "default_transaction_read_only": "on" if read_only else "off",
            **_OF_WORKERS,
        },
        **options,
    )


async def check_server(connection: Any) -> None:
    """Raise DatabaseUnfit where the database or its server is not what the engine relies on and cannot set itself."""
    found = {row["name"]: row["setting"] for row in await connection.fetch(statement("relied_on"))}
    database = found["database"]
    version = int(found["server_version_num"]) // 10_000
    if version < OLDEST_VERSION:
        raise DatabaseUnfit(f"PostgreSQL is of version {version}: {OLDEST_VERSION} or a newer one is needed")
    if found["server_encoding"] != "UTF8":
        raise DatabaseUnfit(
            f"the database {database} has the encoding {found['server_encoding']}, which cannot hold every name: "
            f"create it again with `create database {database} encoding 'UTF8' locale 'C' template template0`"
        )
    if found["fsync"] != "on":
        raise DatabaseUnfit(
            "PostgreSQL runs with fsync = off, and loses what it committed when the machine stops: set it to on"
        )
    if found.get("transaction_timeout", "0") != "0":
        raise DatabaseUnfit(
            f"transaction_timeout is {found['transaction_timeout']} ms here, which ends transactions under way: "
            f"reset it for this role, the database {database} or the server; each statement has a limit of its own"
        )
