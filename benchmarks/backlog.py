"""The memory that a backlog takes: orders wait in Kafka, `standing work` reads them all, each process is watched."""

import asyncio
import time
from collections import defaultdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from benchmarks.deployment import Deployment, counted
from benchmarks.measure import Figure, most_resident, workers_of
from benchmarks.messages import enrolments, orders
from benchmarks.throughput import ENGINE
from workers.devservers.stack import LocalServers

LOOK_SECONDS = 0.2


def memory(console: Console, servers: LocalServers, accounts: int, waiting: int) -> list[Figure]:
    """The most megabytes that a worker of each name held, while the first tenth of a backlog was read and until its
    end.
    """
    seconds, highest = asyncio.run(_memory(console, servers, accounts, waiting))
    figures = [Figure(f"backlog of {waiting:,} orders, read", waiting / seconds, "a second")]
    for name, (early, late) in sorted(highest.items()):
        figures.append(Figure(f"backlog: {name}, most memory in the first tenth", early, "MB"))
        figures.append(Figure(f"backlog: {name}, most memory", late, "MB"))
    return figures


async def _memory(
    console: Console, servers: LocalServers, accounts: int, waiting: int
) -> tuple[float, dict[str, list[float]]]:
    deployment = Deployment(servers, "backlog")
    deployment.set_up()
    deployment.send(enrolments(accounts, members=1))
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=console) as progress:
        sent = progress.add_task("sent", total=waiting)
        deployment.send(counted(orders(accounts, 0, waiting), lambda done: progress.update(sent, completed=done)))
        read = progress.add_task("read", total=waiting)
        connection = await deployment.connect()
        highest: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        began: float | None = None
        with deployment.running("workers.cli", "work") as supervisor:
            taken = 0
            while taken < waiting:
                assert supervisor.poll() is None, "standing work ended"
                await asyncio.sleep(LOOK_SECONDS)
                taken = sum(row[0] for row in await connection.fetch(ENGINE.positions))
                began = began or (time.monotonic() if taken else None)
                progress.update(read, completed=taken)
                for pid, name in workers_of(supervisor.pid).items():
                    early, late = highest[name]
                    megabytes = most_resident(pid)
                    highest[name] = [max(early, megabytes) if taken <= waiting / 10 else early, max(late, megabytes)]
        assert began is not None
        seconds = time.monotonic() - began
        await connection.close()
    return seconds, dict(highest)
