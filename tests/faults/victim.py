"""A worker as a real process that can be told where to die; forked from a server that has all modules loaded.

Owns the body of the child process. `standing` itself takes seconds to start, a fork a few milliseconds; what runs
after it is the production code from `workers.running` on, exit codes included.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import typer

from tests.faults.counting import Calls, Point, install
from workers import running


def run(worker: str, environment: Mapping[str, str], crash: Point | None, log: Path | None, output: Path) -> None:
    """One worker in this process, until SIGTERM or its crash point."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    if crash is not None or log is not None:
        install(Calls(crash, log))
    try:
        running.worker(worker)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)  # as `standing` itself ends


def start(
    worker: str, environment: Mapping[str, str], output: Path, crash: Point | None = None, log: Path | None = None
) -> ForkServerProcess:
    """Start a worker; its standard error goes to `output`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.victim", "workers.processes"])
    process = context.Process(target=run, args=(worker, dict(environment), crash, log, output), daemon=True)
    process.start()
    return process
