"""The lifetime of a worker process: signals, watchdog, health server and background tasks.

A process stops within a limit even if no server answers.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import asyncpg

from workers import timeouts
from workers.ops.health import ServerName, Vitals, serving
from workers.ops.logs import Log
from workers.ops.metrics import Measured
from workers.ops.stderr import end_process
from workers.ops.watchdog import Watchdog
from workers.settings import Settings
from workers.store.listener import Listener

log = Log()

NOT_STOPPED = 1


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set; STOP_SECONDS later the process ends itself, which loses nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        if not stop.is_set():
            stop.set()
            loop.call_later(timeouts.STOP_SECONDS, _end_now)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, begin)
    return stop


def _end_now() -> None:
    log.warning(
        "not stopped in time; ending the process, uncommitted records are read again", seconds=timeouts.STOP_SECONDS
    )
    end_process(NOT_STOPPED)


@asynccontextmanager
async def vital(settings: Settings, name: str, needs: tuple[ServerName, ...]) -> AsyncIterator[Vitals]:
    """The vitals of a worker, with a watchdog, and with a health server if a port is configured."""
    with Watchdog(name, settings.watchdog_seconds) as watchdog:
        if not settings.metrics_port:
            yield Vitals(needs, watchdog=watchdog)
            return
        metrics = Measured(name)
        vitals = Vitals(needs, metrics, watchdog)
        async with serving(settings.metrics_host, settings.metrics_port, vitals, metrics):
            yield vitals


@asynccontextmanager
async def beside(settings: Settings, work: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run `work`, which only serves the metrics, while the block runs, if a port is configured."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work())] if settings.metrics_port else []
        yield
        for each in running:
            each.cancel()


@asynccontextmanager
async def listening(pool: asyncpg.Pool, channel: str) -> AsyncIterator[Listener]:
    """A listener on a channel while the block runs."""
    listener = Listener(pool, channel)
    try:
        yield listener
    finally:
        await listener.close()
