"""Connections to PostgreSQL: hosts, session settings and requirements on the server.

The engine depends on no default of the server, the database or the role. Each session sets what it can (`SESSION`);
`check_server` compares the rest at the start.
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
    # A statement must see what was committed while an earlier one waited for its lock: see `workers.enforcement`.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # Committed rows are published, so they must be on disk, also on that of a synchronous standby.
    "synchronous_commit": "on",
    "lock_timeout": f"{timeouts.LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{timeouts.IDLE_IN_TRANSACTION_SECONDS}s",
    "idle_session_timeout": "0",
    "jit": "off",
    "plan_cache_mode": "auto",
    "enable_indexscan": "on",
    "enable_nestloop": "on",
}
"""The settings of every session."""

_OF_WORKERS = {
    "statement_timeout": f"{timeouts.STATEMENT_SECONDS}s",
    # Every statement finds rows by their keys; stale statistics must not make the planner read whole tables.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
_OF_COMMANDS = {"statement_timeout": f"{timeouts.OPERATOR_STATEMENT_SECONDS}s"}

_TRANSIENT = (
    OSError,  # includes TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""Errors of connecting that can pass."""
_REFUSES_SESSION = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
)
"""The URL has a parameter that is no setting of a session, for example `connect_timeout`."""


class DatabaseUnreachable(ConnectionError):
    """PostgreSQL cannot be reached at the moment."""

    server = "PostgreSQL"


class DatabaseTimeout(TimeoutError):
    """PostgreSQL did not answer in time, or no connection of the pool became free in time."""

    server = "PostgreSQL"


class DatabaseUnfit(Refused):
    """The database or its server does not meet the engine's requirements; the message says what to do."""


async def connect_types(connection: asyncpg.Connection) -> None:
    """Convert timestamptz from and to instants: microseconds since 1970 in UTC."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda at: (at - _POSTGRES_EPOCH,),
        decoder=lambda parts: parts[0] + _POSTGRES_EPOCH,
        format="tuple",
    )


def hosts_of(url: str) -> list[str]:
    """One URL for each host of a URL, in their order."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]


def database_of(url: str) -> str:
    """The name of the URL's database."""
    parts = urlsplit(url)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return unquote(parts.path.lstrip("/")) or asked.get("dbname") or asked.get("database") or "postgres"


async def connect(url: str, *, server_settings: dict[str, str] | None = None, **options: Any) -> asyncpg.Connection:
    """Connect to the first host that meets the URL's conditions; the time limit applies to each host.

    Raises DatabaseUnreachable, which names the servers but not the password, and DatabaseUnfit if the URL has a
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
                f"PostgreSQL refuses a session parameter of STANDING_DATABASE_URL: {error}"
            ) from error
        except _TRANSIENT as error:
            server = urlsplit(each).netloc.rpartition("@")[2] or "its default address"
            failures.append(f"PostgreSQL at {server} cannot be reached: {str(error) or 'no answer in time'}")
    raise DatabaseUnreachable("; ".join(failures))


async def _as_it_is(_: Any) -> None:
    """Give a connection back without asyncpg's statement that resets the session, of which nothing changes."""


async def open_pool(
    url: str,
    *,
    name: str,
    connections: int = 4,
    read_only: bool = False,
    connected: Callable[[Any], Coroutine[Any, Any, None]] = connect_types,
    **options: Any,
) -> asyncpg.Pool:
    """Open a pool whose waits all have a limit; `name` appears in pg_stat_activity.

    A `read_only` pool writes nothing. `connected` prepares each new connection, or raises if it must not be used.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections,
        connect=cast("Any", connect),  # the stubs require every option by name
        init=connected,
        reset=_as_it_is,
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
    """Raise DatabaseUnfit if the database or its server does not meet a requirement that no session can set."""
    found = {row["name"]: row["setting"] for row in await connection.fetch(statement("relied_on"))}
    database = found["database"]
    version = int(found["server_version_num"]) // 10_000
    if version < OLDEST_VERSION:
        raise DatabaseUnfit(f"PostgreSQL has version {version}: version {OLDEST_VERSION} or newer is needed")
    if found["server_encoding"] != "UTF8":
        raise DatabaseUnfit(
            f"the database {database} has the encoding {found['server_encoding']}, which cannot store every name: "
            f"create it again with `create database {database} encoding 'UTF8' locale 'C' template template0`"
        )
    if found["fsync"] != "on":
        raise DatabaseUnfit(
            "PostgreSQL runs with fsync = off and loses committed rows when the machine stops: set it to on"
        )
    if found.get("transaction_timeout", "0") != "0":
        raise DatabaseUnfit(
            f"transaction_timeout is {found['transaction_timeout']} ms, which ends running transactions: "
            f"reset it for this role, the database {database} or the server; each statement has its own limit"
        )
