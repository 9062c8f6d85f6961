"""A process that outlives its parent, kills the parent's servers and removes their directories.

Run as ``python -m workers.devservers.guardian``. It reads lines from a pipe that only the parent holds: `watch PID`,
`forget PID`, `directory PATH`. When the pipe closes, however the parent ended, it kills the watched processes.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from workers import timeouts


class Guardian:
    """The parent's side of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workers.devservers.guardian"],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C must not reach it
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def watch(self, pid: int) -> None:
        """Kill this process group if the parent ends."""
        self._send(f"watch {pid}")

    def forget(self, pid: int) -> None:
        """Stop watching a process group that ended."""
        self._send(f"forget {pid}")

    def remove_at_end(self, directory: Path) -> None:
        """Remove a directory when the parent ends."""
        self._send(f"directory {directory}")

    def close(self) -> None:
        """Kill what is still watched, remove the directories and wait until that is done."""
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _guard(lines: IO[str]) -> None:
    watched: set[int] = set()
    directories: list[Path] = []
    for line in lines:
        word, rest = line.rstrip("\n").split(" ", 1)
        if word == "watch":
            watched.add(int(rest))
        elif word == "forget":
            watched.discard(int(rest))
        else:
            directories.append(Path(rest))
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _wait_for_the_end(watched)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for_the_end(pids: set[int]) -> None:
    """Wait until the process groups ended, because they may still write to the directories."""
    deadline = time.monotonic() + timeouts.GUARDIAN_SECONDS
    while time.monotonic() < deadline and any(_group_lives(pid) for pid in pids):
        time.sleep(0.02)  # not children of this process, so it cannot wait for them


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _guard(sys.stdin)
