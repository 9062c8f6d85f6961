"""A process without threads that has imported everything and forks `standing` on request.

A forked process runs `workers.cli.main` with the arguments, environment, working directory and open files that a
started one has. A supervisor is forked with a nursery of its own, for its workers.
"""

import asyncio
import ctypes
import gc
import importlib
import os
import pickle
import pkgutil
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import workers
from tests.support.forked import Forked, Request, ended
from workers import cli

SET_NAME = 15
"""The option of prctl that gives a process the name it has in `/proc`."""
LARGEST_REQUEST = 1 << 20
FREE_DESCRIPTORS = 500
"""No process here uses a descriptor with this number or a higher one."""


def serve(asking: socket.socket) -> Request | None:
    """Fork on request; returns in each forked process, and returns None when nobody can ask any more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(asking, LARGEST_REQUEST, 64)
        if not message:
            return None
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                for each in (asking.fileno(), reading, writing):
                    os.close(each)
                asking.detach()
                request: Request = pickle.loads(message)  # noqa: S301  # the tests' own
                _become(request, files)
                return request
            os.write(writing, b"%d" % child)
            os._exit(0)
        os.waitpid(between, 0)  # now the child is an orphan, and the process that asked has adopted it
        asking.send(os.read(reading, 100))
        for each in (reading, writing, *files):
            os.close(each)


def _become(request: Request, files: Sequence[int]) -> None:
    """Take on what a started process has from the one that starts it."""
    for each, number in zip(files, request.descriptors, strict=True):
        os.dup2(each, FREE_DESCRIPTORS + number)
        os.close(each)
    for number in request.descriptors:
        os.dup2(FREE_DESCRIPTORS + number, number)
        os.close(FREE_DESCRIPTORS + number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if request.new_session:
        os.setsid()
    os.chdir(request.directory)
    os.environ.clear()
    os.environ.update(request.environment)
    ctypes.CDLL(None).prctl(SET_NAME, request.arguments[0].encode(), 0, 0, 0)


def _with_nursery(request: Request) -> Request | None:
    """Give a supervisor a nursery; returns as `serve` does, and in the supervisor itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.close(nothing)
        return serve(theirs)
    theirs.close()
    Forked.nursery = ours
    asyncio.create_subprocess_exec = _start_worker  # type: ignore[assignment]  # the supervisor starts nothing else
    return request


class Worker:
    """What a supervisor asks of a worker's process."""

    def __init__(self, process: Forked) -> None:
        self._process = process
        self.terminate, self.kill, self.stdin = process.terminate, process.kill, process.stdin

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        return await ended(self._process)


async def _start_worker(*command: str, **settings: Any) -> Worker:
    return Worker(Forked(command[command.index("workers.cli") + 1 :], **settings))


def main() -> None:
    """A nursery until nobody can ask any more, or one of the processes that it forks."""
    for each in pkgutil.walk_packages(workers.__path__, "workers."):
        importlib.import_module(each.name)
    gc.collect()
    gc.freeze()
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None and request.arguments[0] == "work":
        request = _with_nursery(request)
    if request is not None:
        if request.prepare is not None:
            request.prepare()
        sys.argv = ["standing", *request.arguments]
        cli.main()


if __name__ == "__main__":
    main()
