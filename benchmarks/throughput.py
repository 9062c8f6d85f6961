"""Orders a second: the engine and the hand-written loop in turn, over the same topic, with one final state.

Each reads as one process and as two. In a round the engine and the loop read the same orders, one after the other.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks import handwritten
from benchmarks.deployment import Deployment
from benchmarks.measure import Cost, Figure, cost, read, typical
from benchmarks.messages import enrolments, orders
from workers.devservers.stack import LocalServers

ROUNDS = 6
"""After one that is not measured, in which most accounts have their first order."""
PROCESSES = {2: "two processes", 1: "one process"}


@dataclass(frozen=True, slots=True)
class System:
    """What reads a topic: the command of process {number} of {processes}, and its positions with their owners."""

    name: str
    command: str
    positions: str


ENGINE = System(
    "engine", "workers.cli ingest", "select next_offset, owner from positions where topic = 'order-status'"
)
ENROLLING = replace(ENGINE, positions="select next_offset, owner from positions where topic = 'seller-accounts'")
_OF_LOOP = "select next_offset, owner from {}.hand_positions"
LOOP = System(
    "hand-written loop",
    "benchmarks.handwritten orders contract {number} {processes}",
    _OF_LOOP.format("contract"),
)
LEAN = System("lean loop", "benchmarks.handwritten orders lean {number} {processes}", _OF_LOOP.format("lean"))


class TooFewMessages(Exception):
    """All messages were read before there was anything to measure."""


def compare(console: Console, servers: LocalServers, name: str, accounts: int, messages: int) -> list[Figure]:
    """Figures of uniform or Zipf orders; raises AssertionError where the final states differ."""
    with console.status(f"orders, {name}"):
        found = asyncio.run(_compare(servers, name, accounts, messages))
    show(console, f"orders, {name}, {accounts:,} accounts", {key: typical(runs) for key, runs in found.items()})
    figures = []
    for processes, named in PROCESSES.items():
        engine, loop, lean = (found[system, processes] for system in (ENGINE.name, LOOP.name, LEAN.name))
        ratio = statistics.median(one.rate / other.rate for one, other in zip(engine, loop, strict=True))
        rate = typical(engine).rate, "a second"
        of = f"orders, {name}, {named}"
        wanted = 225_000 if name == "zipf" and processes > 1 else None
        figures.append(Figure(of, *rate, at_least=wanted, loop=typical(loop).rate, ratio=ratio, ratio_at_least=1.2))
        figures.append(Figure(f"{of}: lean loop", typical(lean).rate, "a second"))
    return figures


async def _compare(
    servers: LocalServers, name: str, accounts: int, messages: int
) -> Mapping[tuple[str, int], list[Cost]]:
    """Costs of each system, by its name and number of processes."""
    deployment = Deployment(servers, name)
    deployment.set_up()
    deployment.send(enrolments(accounts))
    connection = await deployment.connect()
    await run(deployment, connection, ENROLLING, 1, accounts)
    for kind in handwritten.READ:
        await connection.execute(handwritten.ORDERS.format(kind=kind))
    found: dict[tuple[str, int], list[Cost]] = {}
    share = messages // (ROUNDS + 1)
    for number in range(ROUNDS + 1):
        deployment.send(orders(accounts, number * share, share, name == "zipf"))
        processes = list(PROCESSES)[number % 2]
        for system in (ENGINE, LOOP, LEAN) if number // 2 % 2 == 0 else (LEAN, LOOP, ENGINE):
            spent = await run(deployment, connection, system, processes, (number + 1) * share)
            if number:
                found.setdefault((system.name, processes), []).append(spent)
    for kind in handwritten.READ:
        different = await connection.fetchval(handwritten.DIFFERENT.format(kind=kind))
        assert different == 0, f"{different} accounts differ between the engine and the {kind} loop"
    await connection.close()
    return found


def enrol(console: Console, servers: LocalServers, accounts: int) -> list[Figure]:
    """Figures of enrolments, read by two ingests and by one."""
    costs = {}
    for processes in PROCESSES:
        with console.status(f"enrolments, {processes} at work"):
            costs[ENGINE.name, processes] = asyncio.run(_enrol(servers, accounts, processes))
    show(console, f"enrolments, {accounts:,} accounts", costs)
    two, one = costs.values()
    return [
        Figure("enrolments, two processes", two.rate, "a second", at_least=16_000),
        Figure("enrolments, one process", one.rate, "a second"),
        Figure("WAL of an enrolment", two.wal, "bytes", at_most=1500),
    ]


async def _enrol(servers: LocalServers, accounts: int, processes: int) -> Cost:
    deployment = Deployment(servers, f"enrol{processes}")
    deployment.set_up()
    deployment.send(enrolments(accounts))
    connection = await deployment.connect()
    spent = await run(deployment, connection, ENROLLING, processes, accounts)
    await connection.close()
    return spent


async def run(
    deployment: Deployment,
    connection: asyncpg.Connection,
    system: System,
    processes: int,
    target: int,
    told: Callable[[int], None] = lambda _: None,
) -> Cost:
    """Run a system, from the first batch that is committed with all of its processes at work to offset `target`.

    Raises TooFewMessages if they are at work only after the end.
    """
    earlier = {owner for _, owner in await connection.fetch(system.positions)}
    with ExitStack() as stack:
        commands = (system.command.format(number=number, processes=processes) for number in range(processes))
        running = [stack.enter_context(deployment.running(*command.split())) for command in commands]
        pids = [process.pid for process in running]

        async def look() -> tuple[int, set[str]]:
            ended = [process.returncode for process in running if process.poll() is not None]
            assert not ended, f"{system.name} ended with {ended}"
            await asyncio.sleep(0.005)
            rows = await connection.fetch(system.positions)
            now = sum(row[0] for row in rows)
            told(now)
            return now, {row[1] for row in rows} - earlier

        first, owners = await look()
        while len(owners) < processes:
            first, owners = await look()
        start = first
        while start == first < target:
            first, _ = await look()
        if first >= target:
            raise TooFewMessages(f"{target:,} messages were read before {processes} of {system.name} were at work")
        began, before = time.monotonic(), await read(connection, deployment.servers, pids)
        now = first
        while now < target:
            now, _ = await look()
        seconds, after = time.monotonic() - began, await read(connection, deployment.servers, pids)
        return cost(target - first, seconds, before, after, pids)


def show(console: Console, title: str, costs: Mapping[tuple[str, int], Cost]) -> None:
    """A row for each system and number of processes."""
    table = Table("", "a second", *COLUMNS, title=title)
    for (system, processes), each in costs.items():
        table.add_row(f"{system}, {PROCESSES[processes]}", f"{each.rate:,.0f}", *cells(each))
    console.print(table)


COLUMNS = ("worker µs", "PostgreSQL µs", "Kafka µs", "WAL B", "page images", "HOT", "MB")


def cells(each: Cost) -> list[str]:
    """What a message cost, in the order of `COLUMNS`."""
    cpu = [f"{each.cpu[process]:.1f}" for process in ("worker", "PostgreSQL", "Kafka")]
    return [*cpu, f"{each.wal:.0f}", f"{each.page_images:.3f}", f"{each.hot:.1%}", f"{each.resident:.0f}"]
