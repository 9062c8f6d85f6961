"""Standard error that never blocks: `write` appends to a queue, and a thread of its own writes the queue out.

A stalled reader, a full pipe or a closed descriptor therefore blocks neither a worker, nor the watchdog, nor the exit
of a process. The invariant: `write` makes no system call that can block. A full queue drops its oldest lines, and a
line says how many.
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
"""The size of the queue; beyond it the oldest lines are dropped."""
_STDERR = 2


class QueuedStderr(io.TextIOBase, TextIO):
    """Replaces `sys.stderr`, so it carries Python's own tracebacks and warnings too."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES) -> None:
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._writing = False
        self._incomplete = ""
        self._changed = threading.Condition(threading.RLock())
        threading.Thread(target=self._write_out, name="standard error", daemon=True).start()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str) -> int:
        """Queue whole lines; an incomplete one waits for its newline or for `finish`."""
        with self._changed:
            whole, newline, self._incomplete = (self._incomplete + text).rpartition("\n")
            self._queue(whole + newline)
        return len(text)

    def finish(self, seconds: float = timeouts.STDERR_SECONDS) -> bool:
        """Wait up to `seconds` until the queue is written out; return whether it is."""
        with self._changed:
            incomplete, self._incomplete = self._incomplete, ""
            self._queue(incomplete)
            return self._changed.wait_for(lambda: not self._lines and not self._writing, seconds)

    def _queue(self, text: str) -> None:
        if not text:
            return
        self._lines.append(text.encode(self.encoding, self.errors))
        self._bytes += len(self._lines[-1])
        while self._bytes > self._most_bytes and len(self._lines) > 1:
            oldest = self._lines.popleft()
            self._bytes -= len(oldest)
            self._dropped += oldest.count(b"\n")
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
        """Write it, however long that takes; False if the reader is gone or the disk is full."""
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # another process that shares the descriptor made it non-blocking
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
            except OSError:
                return False
        return True


def queue_stderr() -> TextIO:
    """Replace `sys.stderr` by a queue, once for each process; a stream in memory stays, for it cannot block."""
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


def end_process(code: int, message: str = "") -> None:
    """End the process without running the event loop again, whatever hangs."""
    stderr = queue_stderr()
    stderr.write(message)
    if isinstance(stderr, QueuedStderr):
        stderr.finish()
    os._exit(code)


def open_standard_descriptors() -> None:
    """Open closed standard descriptors on /dev/null; otherwise a connection gets the number and is written to."""
    for descriptor in (0, 1, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # never closed
