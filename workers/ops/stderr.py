"""Standard error that never holds anybody up: what is written is queued, and a thread of its own writes it out.

Owns the queue and the thread. A reader that stopped reading, a full pipe and a closed descriptor keep no worker, no
watchdog and no end of a process waiting. The invariant: `write` makes no system call that can wait; where the queue
is full the oldest lines make room, and a line says how many were dropped.
"""

import atexit
import io
import os
import select
import sys
import threading
from collections import deque
from typing import TextIO

from workers import timeouts

MOST_BYTES = 1024 * 1024
"""What the queue holds; beyond that the oldest lines are dropped."""
_STDERR = 2


class QueuedStderr(io.TextIOBase, TextIO):
    """Takes the place of `sys.stderr`, so Python's own tracebacks and warnings come through it too."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES) -> None:
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._writing = False
        self._begun = ""
        self._changed = threading.Condition(threading.RLock())
        threading.Thread(target=self._write_out, name="standard error", daemon=True).start()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """It always is."""
        return True

    def write(self, text: str) -> int:
        """Queue whole lines; one that was only begun waits for its end, or for `finish`."""
        with self._changed:
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
            self._queue(whole + newline)
        return len(text)

    def finish(self, seconds: float = timeouts.STDERR_SECONDS) -> bool:
        """Wait until all that was written is out, but no longer than this; whether it is."""
        with self._changed:
            begun, self._begun = self._begun, ""
            self._queue(begun)
            return self._changed.wait_for(lambda: not self._lines and not self._writing, seconds)

    def _queue(self, text: str) -> None:
        if not text:
            return
        self._lines.append(text.encode(self.encoding, self.errors))
        self._bytes += len(self._lines[-1])
        while self._bytes > self._most_bytes and len(self._lines) > 1:
            gone = self._lines.popleft()
            self._bytes -= len(gone)
            self._dropped += gone.count(b"\n")
        self._changed.notify_all()

    def _write_out(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line, dropped = self._lines.popleft(), self._dropped
                self._bytes -= len(line)
                self._dropped = 0
                self._writing = True
            notice = f"standing: {dropped} lines dropped: nobody read standard error\n" if dropped else ""
            written = self._written(notice.encode() + line)
            with self._changed:
                self._writing = False
                self._dropped += 0 if written else dropped + line.count(b"\n")
                self._changed.notify_all()

    def _written(self, line: bytes) -> bool:
        """Write it, however long that takes; False where nobody will ever read it, or the disk is full."""
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # another process that shares it made it so
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
            except OSError:
                return False
        return True


def queue_stderr() -> TextIO:
    """Put a queue in the place of `sys.stderr`, once in a process; one that is in memory keeps nobody waiting."""
    if isinstance(sys.stderr, QueuedStderr):
        return sys.stderr
    open_standard_descriptors()
    try:
        descriptor = sys.stderr.fileno()
    except io.UnsupportedOperation:
        return sys.stderr
    sys.stderr = queued = QueuedStderr(descriptor)
    atexit.register(queued.finish)
    return queued


def end_process(code: int, last_words: str = "") -> None:
    """End the process without another instruction of the event loop, whatever hangs and whether anybody reads."""
    stderr = queue_stderr()
    stderr.write(last_words)
    if isinstance(stderr, QueuedStderr):
        stderr.finish()
    os._exit(code)


def open_standard_descriptors() -> None:
    """Open on nothing those that the caller had closed: a connection would get their number, and be written to."""
    for descriptor in (0, 1, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # for as long as we run
