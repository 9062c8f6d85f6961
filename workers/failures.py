"""What a failure means to an operator: one line that says what to mend, or that a server is away.

Owns which errors of which library are expected. It knows the errors of every library, so it is imported only once
something failed.
"""

import os
from dataclasses import dataclass

import asyncpg
from confluent_kafka import KafkaException
from pydantic import ValidationError

from workers.checkpoints import Moved
from workers.enforcement.isolation import CannotStore
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.connections import TaskEnded
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
    asyncpg.UndefinedTableError,  # a database of something else
    asyncpg.UndefinedColumnError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, for one
)
_AWAY = (
    KafkaUnreachable,
    NoAnswer,
    PublishError,
    KafkaException,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # no connection left, disk full
    asyncpg.OperatorInterventionError,  # shut down, starting, a statement that took too long
    asyncpg.LockNotAvailableError,
)
"""A server that cannot be reached: an operator's command ends, a worker is started again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said of an error, a line each."""

    lines: tuple[str, ...]
    may_pass: bool = False
    """Whether a worker that is started again may find it gone."""


def failure_of(error: Exception) -> Failure | None:
    """What an operator is told of an error; None where it is a defect, whose traceback is wanted."""
    match error:
        case ValidationError():
            first = error.errors()[0]
            field = "".join(f" STANDING_{part}".upper() for part in first["loc"])  # none where several do not fit
            return Failure((f"bad setting{field}: {first['msg']}",))
        case Refused():
            return Failure(tuple(map(str, error.args)))
        case PortTaken() | Moved() | LostOwnership() | TaskEnded() | CannotStore() | NameTaken():
            return Failure((str(error),), may_pass=True)
    if isinstance(error, _DATABASE_REFUSES):
        return Failure((f"the database refuses: {error}",))
    if isinstance(error, OSError) and error.filename is not None:
        return Failure((f"{os.fsdecode(error.filename)}: {error.strerror}",))
    if isinstance(error, _AWAY):
        return Failure((f"a server cannot be reached: {named(error)}",), may_pass=True)
    return None
