"""Turns an expected error into a line for the operator: what to correct, or which server is unreachable.

It imports the errors of every library, so it is imported only after a failure.
"""

import os
from dataclasses import dataclass

import asyncpg
from confluent_kafka import KafkaException

from workers.checkpoints import Moved
from workers.enforcement.isolation import CannotStore
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.internals import TaskEnded
from workers.kafka.last_record import NoAnswer
from workers.kafka.transactional_producer import PublishError
from workers.ops.blame import named
from workers.ops.health import PortTaken
from workers.ops.refused import Refused
from workers.ops.slots import NameTaken
from workers.store.postgres import LostOwnership

_DATABASE_REFUSES = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,  # another program's database
    asyncpg.UndefinedColumnError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, for example
)
_UNREACHABLE = (
    KafkaUnreachable,
    NoAnswer,
    PublishError,
    KafkaException,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections, or a full disk
    asyncpg.OperatorInterventionError,  # shutdown, startup, or statement_timeout
    asyncpg.LockNotAvailableError,
)
"""A server cannot be reached: an operator's command ends, a worker is restarted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The lines that are printed for an error."""

    lines: tuple[str, ...]
    may_pass: bool = False
    """Whether a restart of the worker may help."""


def failure_of(error: Exception) -> Failure | None:
    """The failure of an expected error; None for a defect, which needs a traceback."""
    match error:
        case Refused():
            return Failure(tuple(map(str, error.args)))
        case PortTaken() | Moved() | LostOwnership() | TaskEnded() | CannotStore() | NameTaken():
            return Failure((str(error),), may_pass=True)
    if isinstance(error, _DATABASE_REFUSES):
        return Failure((f"the database refuses the request: {error}",))
    if isinstance(error, OSError) and error.filename is not None:
        return Failure((f"{os.fsdecode(error.filename)}: {error.strerror}",))
    if isinstance(error, _UNREACHABLE):
        return Failure((f"a server cannot be reached: {named(error)}",), may_pass=True)
    return None
