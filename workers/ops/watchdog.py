"""Ends a process when one of its loops makes no progress.

It runs in a thread of its own, independent of the event loop. Time during which the whole process was stopped
(SIGSTOP) does not count.
"""

import faulthandler
import os
import threading
from collections.abc import Mapping

from workers.ops.stderr import end_process

EXIT_CODE = 75
"""`EX_TEMPFAIL`: a restart may help."""

ROUND_SECONDS = 1.0
"""The length of a round, which counts as a second."""
START = "start"
"""The name that is watched until the first loop reports progress."""


class Watchdog:
    """Counts the seconds that each loop is stalled; at `seconds` it prints every thread's stack and ends the process.

    The thread runs inside the `with` block only.
    """

    def __init__(self, name: str, seconds: int) -> None:
        self.seconds = seconds
        self._name = name
        self._stalled = {START: 0}
        self._turned: set[str] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Watchdog":
        self._thread = threading.Thread(target=self._watch, name=f"watchdog of {self._name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def turned(self, loop: str) -> None:
        """Report that a loop completed a round; the first report starts watching it."""
        self._turned.add(loop)

    @property
    def stalled(self) -> Mapping[str, int]:
        """The seconds since each loop last reported progress."""
        return self._stalled

    def _watch(self) -> None:
        # Rounds are counted and no clock is read: SIGSTOP stops the count too.
        while not self._ended.wait(ROUND_SECONDS):
            turned, self._turned = self._turned, set()
            watched = ({*self._stalled, *turned} - {START}) or {START}
            self._stalled = {loop: 0 if loop in turned else self._stalled.get(loop, 0) + 1 for loop in watched}
            loop, stalled = max(self._stalled.items(), key=lambda item: item[1])
            if stalled >= self.seconds:
                self._end(loop, stalled)

    def _end(self, loop: str, stalled: int) -> None:
        why = f"{self._name}: {loop} made no progress for {stalled} seconds; ending the process\n"
        end_process(EXIT_CODE, why + _stacks())


def _stacks() -> str:
    """The stack of every thread, cut to the size of a pipe."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # the dump holds Python's lock, so nobody can read meanwhile
    faulthandler.dump_traceback(writing, all_threads=True)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as dumped:  # noqa: PTH123  # a descriptor
        return dumped.read()
