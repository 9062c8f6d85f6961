"""How a worker process lives: what stops it, who watches it, and what runs beside its work.

It stops within a limit: servers that are away answer no process that takes its leave. It knows nothing of what a
worker does.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import asyncpg

from workers import timeouts
from workers.ops.health import Server, Vitals, serving
from workers.ops.logs import Log
from workers.ops.metrics import Measured
from workers.ops.stderr import end_process
from workers.ops.watchdog import Watchdog
from workers.settings import Settings
from workers.store.listener import Listener

log = Log()

NOT_STOPPED = 1


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set. Who has not ended by then ends all the same: nothing is lost by that."""
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
        "ended without waiting any longer; what was not committed is read again", seconds=timeouts.STOP_SECONDS
    )
    end_process(NOT_STOPPED)


@asynccontextmanager
async def vital(settings: Settings, name: str, needs: tuple[Server, ...]) -> AsyncIterator[Vitals]:
    """The vitals of a worker, watched, and served where a port is given."""
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
    """Do what only serves the metrics while the block runs, where somebody may ask for them."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work())] if settings.metrics_port else []
        yield
        for each in running:
            each.cancel()


@asynccontextmanager
async def listening(pool: asyncpg.Pool, channel: str) -> AsyncIterator[Listener]:
    """A listener on a channel, closed at the end."""
    listener = Listener(pool, channel)
    try:
        yield listener
    finally:
        await listener.close()
