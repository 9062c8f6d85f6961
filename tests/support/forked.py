"""`standing` in processes that are forked from one that has imported everything: they start in milliseconds.

`tests.support.nursery` is the process that forks. A forked process is a child of the process that asked for it, and a
`subprocess.Popen` like any other. Tests of the start itself, of the interpreter or of other packages start a real
process.
"""

import asyncio
import ctypes
import inspect
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SET_SUBREAPER = 36
"""The option of prctl by which a process adopts the orphans among its descendants."""
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Request:
    """A process to fork; `descriptors` are the numbers that it has for the open files that come with the request."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    descriptors: Sequence[int]
    new_session: bool
    prepare: Callable[[], None] | None
    """What it does before it begins."""


class Forked(subprocess.Popen[Any]):
    """A `subprocess.Popen` whose process is forked by a nursery; its arguments are those of `standing`."""

    nursery: socket.socket | None = None
    """The asking end of this process's nursery, once there is one."""
    process: subprocess.Popen[bytes] | None = None
    """The nursery, where this process started it; it ends with this one."""

    def __init__(self, arguments: Sequence[str], prepare: Callable[[], None] | None = None, **settings: Any) -> None:
        self._prepare = prepare
        super().__init__(arguments, **settings)

    def _execute_child(self, *given: Any) -> None:
        names = inspect.signature(super()._execute_child).parameters  # type: ignore[misc]  # typeshed leaves it out
        known = dict(zip(names, given, strict=True))
        streams = [known["p2cread"], known["c2pwrite"], known["errwrite"]]
        files = [number if file == -1 else file for number, file in enumerate(streams)] + list(known["pass_fds"])
        request = Request(
            known["args"],
            dict(os.environ if known["env"] is None else known["env"]),
            str(known["cwd"] or os.getcwd()),  # noqa: PTH109  # as it is, no path that is worked with
            [0, 1, 2, *known["pass_fds"]],
            known["start_new_session"],
            self._prepare,
        )
        self.pid = ask(self._opened(), request, files)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(known[each] for each in pipes))  # type: ignore[attr-defined]

    @classmethod
    def _opened(cls) -> socket.socket:
        if cls.nursery is None:
            cls.nursery, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            cls.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            theirs.close()
        return cls.nursery


def ask(nursery: socket.socket, request: Request, files: Sequence[int]) -> int:
    """The id of a process that a nursery forks and this process adopts."""
    with _one_at_a_time:
        _adopt_orphans(True)
        try:
            socket.send_fds(nursery, [pickle.dumps(request)], files)
            return int(nursery.recv(100))
        finally:
            _adopt_orphans(False)


def _adopt_orphans(wanted: bool) -> None:
    assert ctypes.CDLL(None).prctl(SET_SUBREAPER, int(wanted), 0, 0, 0) == 0


async def ended(process: subprocess.Popen[Any]) -> int:
    """Wait for the end of a child without a thread; its exit code."""
    if process.poll() is not None:
        return int(process.returncode)
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()
