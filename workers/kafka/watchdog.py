"""Ends a process that no longer does its round, whatever it hangs in.

Owns one thread, which needs nothing of the event loop it watches. The invariant: whoever called `progress` in
each of the last seconds lives on; a process that was stopped and continued is not punished for the pause.
"""

import faulthandler
import os
import sys
import threading

EXIT_CODE = 75
"""`EX_TEMPFAIL`: started anew, the worker may well succeed."""


class Watchdog:
    """Counts seconds without progress; at `seconds` it prints every thread's stack and ends the process."""

    def __init__(self, name: str, seconds: int) -> None:
        self._name = name
        self._seconds = seconds
        self._progressed = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watchdog of {name}", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self) -> None:
        """The round was done."""
        self._progressed = True

    def _watch(self) -> None:
        silent = 0
        while not self._ended.wait(1.0):  # counted, not measured: time asleep in SIGSTOP is no silence
            silent = 0 if self._progressed else silent + 1
            self._progressed = False
            if silent >= self._seconds:
                sys.stderr.write(f"{self._name} made no progress for {silent} seconds; ending the process\n")
                faulthandler.dump_traceback(all_threads=True)
                os._exit(EXIT_CODE)
