"""`standing work`: runs every worker as a process, restarts those that die, and stops them together.

It is ready while all of them run. A spare process takes the place of a dead worker at once; one that dies again soon
is restarted with backoff. All workers stop within 20 seconds of SIGTERM. If the supervisor itself is killed, the
workers see a pipe close and end too.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers import timeouts
from workers.ops import metrics
from workers.ops.health import Vitals, serving
from workers.ops.logs import Log
from workers.settings import Settings
from workers.spare import order

log = Log()

LONGEST_PAUSE_SECONDS = 5.0
STABLE_SECONDS = 10.0
"""A worker that ran longer than this is restarted without a pause; one that reaches no server dies sooner."""
FATAL = 2
"""The exit code of a worker that a restart cannot help: a bad setting, another deployment."""

LIFELINE = "STANDING_LIFELINE"
"""The variable with the file descriptor of a pipe that closes when the supervisor ends."""


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One worker to keep running: its name, its command line and its additional environment."""

    name: str
    environment: Mapping[str, str]


async def run_supervisor(settings: Settings) -> int:
    """Every worker in a process of its own, until SIGTERM; returns the exit code for the shell."""
    processes = worker_processes(settings)
    if not settings.metrics_port:
        return await supervise(processes, Vitals())
    measured = metrics.Measured("work")
    vitals = Vitals(metrics=measured)
    async with serving(settings.metrics_host, settings.metrics_port, vitals, measured):
        return await supervise(processes, vitals)


def worker_processes(settings: Settings) -> list[WorkerProcess]:
    """The processes of `standing work`; each has a metrics port of its own, whatever the number of ingests."""
    workers: list[tuple[str, dict[str, str]]] = [(name, {}) for name in ("timers", "fanout", "relay")]
    for number in range(settings.ingests):
        name = settings.instance
        workers.append(("ingest", {} if name is None else {"STANDING_INSTANCE": f"{name}-{number}"}))
    return [
        WorkerProcess(name, {**environment, "STANDING_METRICS_PORT": str(settings.metrics_port and port)})
        for port, (name, environment) in enumerate(workers, settings.metrics_port + 1)
    ]


async def supervise(workers: Sequence[WorkerProcess], vitals: Vitals) -> int:
    """Keep the workers running until SIGINT or SIGTERM; returns the exit code for the shell."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reading, writing = os.pipe()
    spare = Spare(reading)
    try:
        codes = await asyncio.gather(
            *(_keep(worker, number, spare, stop, vitals) for number, worker in enumerate(workers)),
            spare.keep(stop),
        )
    finally:
        os.close(reading)
        os.close(writing)
    return max(codes)


@dataclass(slots=True)
class Spare:
    """One process that has imported everything and waits to be a worker."""

    lifeline: int
    process: Process | None = None

    async def keep(self, stop: asyncio.Event) -> int:
        """Until `stop`, start a spare process some time after the last was needed: first come the workers."""
        while not await _wait(stop, STABLE_SECONDS):
            if self.process is None or self.process.returncode is not None:
                self.process = await started("spare", {}, self.lifeline, subprocess.PIPE)
        if self.process is not None:
            await _stop(self.process, "spare")
        return 0

    async def start(self, worker: WorkerProcess, *, at_once: bool) -> Process:
        """The process of a worker: the spare one, if it is there and is needed `at_once`."""
        spare = self.process
        if not at_once or spare is None or spare.returncode is not None:
            return await started(worker.name, worker.environment, self.lifeline, subprocess.DEVNULL)
        self.process = None
        assert spare.stdin is not None
        spare.stdin.write(order(worker.name, worker.environment))
        spare.stdin.close()
        return spare


async def started(name: str, environment: Mapping[str, str], lifeline: int, stdin: int) -> Process:
    """The process of `standing NAME`, which ends with the supervisor."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers.cli",
        name,
        env={**os.environ, **environment, LIFELINE: str(lifeline)},
        pass_fds=(lifeline,),
        stdin=stdin,
        start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops the workers
    )


async def _keep(worker: WorkerProcess, number: int, spare: Spare, stop: asyncio.Event, vitals: Vitals) -> int:
    pause = 0.0
    vitals.metrics.count(metrics.RESTARTS, 0, worker=worker.name)
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        started = loop.time()
        process = await spare.start(worker, at_once=pause == 0)
        _note(worker, number, vitals, running=True)
        to_stop = await _ended(process, stop)
        _note(worker, number, vitals, running=False)
        if to_stop:
            await _stop(process, worker.name)
            return 0
        if process.returncode == FATAL:
            log.error("worker cannot run; stopping all", worker=worker.name)
            stop.set()
            return FATAL
        pause = 0.0 if loop.time() - started > STABLE_SECONDS else longer_pause(pause)
        vitals.metrics.count(metrics.RESTARTS, worker=worker.name)
        log.warning("worker died", worker=worker.name, code=process.returncode, restart_in_seconds=pause)
        if await _wait(stop, pause):
            return 0
    return 0


def _note(worker: WorkerProcess, number: int, vitals: Vitals, *, running: bool) -> None:
    vitals.has(f"worker {number} ({worker.name})", running)
    vitals.metrics.set(metrics.RUNNING, running, worker=worker.name, number=str(number))


def longer_pause(pause: float) -> float:
    """The pause that follows one of `pause` seconds."""
    return min(LONGEST_PAUSE_SECONDS, max(0.2, pause * 2))


async def _ended(process: Process, stop: asyncio.Event) -> bool:
    """Wait for the process to end or for `stop`; True if the process must be stopped."""
    waits = [asyncio.ensure_future(process.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
    return stop.is_set() and process.returncode is None


async def _stop(process: Process, name: str) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(timeouts.KILL_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("worker did not stop in time and was killed", worker=name)
        process.kill()
        await process.wait()


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for `stop`; False after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


def end_with_supervisor() -> None:
    """In a worker: end the process when the supervisor ends."""
    descriptor = os.environ.get(LIFELINE)
    if descriptor is None:
        return

    def watch() -> None:
        os.read(int(descriptor), 1)  # nothing is ever written, so it returns when the pipe closes
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
