"""The processes of a soak: `standing work`, kept running as a service manager would, and guests beside it.

A process is signalled by a descriptor that was opened for it, so that no other process that got its number is hit.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

WORKERS = ("ingest", "timers", "fanout", "relay")
RESTART_SECONDS = 0.2
STOP_SECONDS = 30.0
MAY_END = (0, 1, 75, -signal.SIGKILL, -signal.SIGTERM)
"""What a process may end with: in order, a server away, the watchdog (it was stopped), kill -9, SIGTERM at start."""


class Victim:
    """A process that may be gone at any time."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False where the process is gone."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Tree:
    """All processes of a deployment; `violations` gets what none of them may do."""

    environment: Mapping[str, str]
    output: Path
    violations: list[str]
    exits: Counter[str] = field(default_factory=Counter)
    supervisor: asyncio.subprocess.Process | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep `standing work` running until `stop`."""
        await self.keep("work", stop)

    async def guest(self, worker: str, stop: asyncio.Event) -> None:
        """Another worker for a while, of a tree of its own."""
        await self.keep(worker, stop)

    async def keep(self, command: str, stop: asyncio.Event) -> None:
        """Start a command, and start it again whenever it ends, until `stop`; then SIGTERM must end it in order."""
        stopped = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            process = await self._start(command)
            if command == "work":
                self.supervisor = process
            try:
                ended = asyncio.ensure_future(process.wait())
                await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await self._end(process, command)
                code = await ended
            finally:
                if process.returncode is None:
                    process.kill()  # the soak itself failed: nothing of it may go on
            self.exits[f"{command} {code}"] += 1
            if code not in MAY_END:
                self.violations.append(f"`standing {command}` ended with {code}")
            await asyncio.wait((stopped,), timeout=RESTART_SECONDS)
        self.supervisor = None if command == "work" else self.supervisor

    async def _start(self, command: str) -> asyncio.subprocess.Process:
        with self.output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "workers.cli",
                command,
                env=os.environ | self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C reaches the soak alone
            )

    async def _end(self, process: asyncio.subprocess.Process, command: str) -> None:
        with suppress(ProcessLookupError):  # it may just have ended by itself
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.violations.append(f"`standing {command}` did not stop within {STOP_SECONDS:.0f} s")
            process.kill()

    def find(self, worker: str) -> Victim | None:
        """A running worker of `standing work`; None where there is none just now."""
        if worker == "work":
            return None if self.supervisor is None else victim(self.supervisor.pid, "work")
        for child in self._children():
            if (found := victim(child, worker)) is not None:
                return found
        return None

    def _children(self) -> list[int]:
        if self.supervisor is None:
            return []
        pid = self.supervisor.pid
        try:
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []  # it was killed just now


def victim(pid: int, command: str) -> Victim | None:
    """The process of a number, where it is `standing COMMAND`."""
    try:
        found = Victim(pid)
    except ProcessLookupError:
        return None
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1] == command.encode():
            return found
    except (FileNotFoundError, ProcessLookupError):
        pass
    found.close()
    return None
