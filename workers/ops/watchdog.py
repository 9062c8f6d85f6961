"""Ends a process of which a loop no longer turns over, whatever it hangs in.

Owns one thread, which needs nothing of the event loop it watches. The invariant: a process whose loops all called
`turned` in each of the last seconds lives on; one that was stopped and continued is not punished for the pause.
"""

import faulthandler
import os
import threading
from collections.abc import Mapping

from workers.ops.stderr import end_process

EXIT_CODE = 75
"""`EX_TEMPFAIL`: started anew, the worker may well succeed."""

START = "start"
"""What is watched until a loop turns over for the first time."""


class Watchdog:
    """Counts each loop's seconds without a turn; at `seconds` it prints every thread's stack and ends the process.

    Without `with` it only notes the turns: a blocked event loop blocks all of them.
    """

    def __init__(self, name: str, seconds: int) -> None:
        self.seconds = seconds
        self._name = name
        self._silent = {START: 0}
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
        """A loop of this name turned over; from the first time on it is watched."""
        self._turned.add(loop)

    @property
    def silent(self) -> Mapping[str, int]:
        """For how many seconds each loop has not turned over."""
        return self._silent

    def _watch(self) -> None:
        while not self._ended.wait(1.0):  # counted, not measured: time asleep in SIGSTOP is no silence
            turned, self._turned = self._turned, set()
            watched = ({*self._silent, *turned} - {START}) or {START}
            self._silent = {loop: 0 if loop in turned else self._silent.get(loop, 0) + 1 for loop in watched}
            loop, silent = max(self._silent.items(), key=lambda item: item[1])
            if silent >= self.seconds:
                self._end(loop, silent)

    def _end(self, loop: str, silent: int) -> None:
        why = f"{self._name}: {loop} did not turn over for {silent} seconds; ending the process\n"
        end_process(EXIT_CODE, why + _stacks())


def _stacks() -> str:
    """The stack of every thread; what the pipe does not hold is left out, for the dump keeps Python's lock."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    faulthandler.dump_traceback(writing, all_threads=True)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as dumped:  # noqa: PTH123  # a descriptor
        return dumped.read()
