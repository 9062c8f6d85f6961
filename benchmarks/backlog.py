"""The memory that a backlog takes: orders wait in Kafka, `standing work` reads them all, each process is watched."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

from benchmarks.deployment import Deployment, enrolments
from benchmarks.throughput import ENGINE, orders
from workers.devservers.stack import LocalServers

LOOK_SECONDS = 0.2


async def memory(
    console: Console, servers: LocalServers, accounts: int, waiting: int
) -> tuple[float, dict[str, list[float]]]:
    """Seconds from the first to the last order, and the most megabytes that a worker of each name held: while the
    first tenth of the backlog was read, and all of it.
    """
    deployment = Deployment(servers, "backlog")
    deployment.set_up()
    sellers = [f"seller-{number:07d}" for number in range(accounts)]
    deployment.send(enrolments(sellers, sellers, "2016-03-01T10:00:00+08:00"))
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=console) as progress:
        sent = progress.add_task("sent", total=waiting)
        deployment.send(counted(orders(sellers, 0, waiting, False), progress, sent))
        read = progress.add_task("read", total=waiting)
        connection = await deployment.connect()
        highest: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        began: float | None = None
        with deployment.running("workers.cli", "work") as supervisor:
            taken = 0
            while taken < waiting:
                assert supervisor.poll() is None, "standing work ended"
                await asyncio.sleep(LOOK_SECONDS)
                taken = await connection.fetchval(ENGINE)
                began = began or (time.monotonic() if taken else None)
                progress.update(read, completed=taken)
                for name, megabytes in peaks(supervisor.pid):
                    early, late = highest[name]
                    highest[name] = [max(early, megabytes) if taken <= waiting / 10 else early, max(late, megabytes)]
        assert began is not None
        seconds = time.monotonic() - began
        await connection.close()
    return seconds, dict(highest)


def counted(
    messages: Iterator[tuple[str, str, bytes]], progress: Progress, task: TaskID
) -> Iterator[tuple[str, str, bytes]]:
    """The same messages, with the progress shown."""
    for count, each in enumerate(messages, 1):
        if count % 10_000 == 0:
            progress.update(task, completed=count)
        yield each


def peaks(supervisor: int) -> Iterator[tuple[str, float]]:
    """The most that each worker of a `standing work` ever held, in megabytes."""
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        process = Path("/proc") / child
        try:
            name = process.joinpath("cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
            status = process.joinpath("status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended just now, and is started again
        if name:  # none while a process is being started
            yield from (
                (name, int(line.split()[1]) / 1e3) for line in status.splitlines() if line.startswith("VmHWM")
            )
