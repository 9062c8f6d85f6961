"""`make bench`: measures, and prints tables with ratios and the floors that are missed; it asserts no times."""

import argparse
import asyncio
import json
import os
import statistics
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import backlog, latency, throughput
from benchmarks.measure import Cost
from workers.devservers.stack import LocalServers, local_servers

Part = Callable[[Console, LocalServers, Namespace], Any]


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--deadlines", type=int, default=50_000)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--waiting", type=int, default=5_000_000, help="orders of the backlog")
    parser.add_argument("--only", choices=[*PARTS, *ON_DEMAND], action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console = Console(width=max(110, Console().width))
    console.print(f"{os.cpu_count()} cores; load before the run {os.getloadavg()[0]:.1f}")
    with local_servers() as servers:
        parts = (PARTS | ON_DEMAND).items()
        wanted = arguments.only or PARTS
        found = {name: part(console, servers, arguments) for name, part in parts if name in wanted}
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


# -- the parts: each measures, prints, and returns its figures -------------------------------------------------


def _throughput(name: str) -> Part:
    def part(console: Console, servers: LocalServers, arguments: Namespace) -> Any:
        with console.status(f"orders, {name}"):
            compared = throughput.compare(servers, name, arguments.accounts, arguments.messages, name == "zipf")
            costs = asyncio.run(compared)
        _orders(console, name, costs)
        return {system: [each.rate for each in runs] for system, runs in costs.items()}

    return part


def _suspensions(console: Console, servers: LocalServers, arguments: Namespace) -> Any:
    rate = latency.suspensions(servers, arguments.deadlines)
    _floor(console, f"{arguments.deadlines:,} deadlines at one midnight", rate, 5000, "suspensions a second")
    return rate


def _company(console: Console, servers: LocalServers, arguments: Namespace) -> Any:
    first, last = latency.company(servers, arguments.members)
    _floor(console, f"company of {arguments.members:,}: first read after", -first * 1000, -300, "ms")
    _floor(console, f"company of {arguments.members:,}: last read after", -last, -3, "s")
    return [first, last]


def _idle(console: Console, servers: LocalServers, arguments: Namespace) -> Any:
    p50, p99, back = latency.idle(servers, arguments.samples)
    _floor(console, "idle latency p50", -p50, -40, "ms")
    _floor(console, "idle latency p99", -p99, -100, "ms")
    _floor(console, "a fact decided after kill -9 of ingest", -back, -3, "s")
    return [p50, p99, back]


def _backlog(console: Console, servers: LocalServers, arguments: Namespace) -> Any:
    seconds, peaks = asyncio.run(backlog.memory(console, servers, arguments.accounts, arguments.waiting))
    console.print(f"{arguments.waiting:,} orders that waited were read in {seconds:.0f} s; a worker held at most")
    for name, (early, late) in sorted(peaks.items()):
        console.print(f"  {name}: {early:.0f} MB while the first tenth was read, {late:.0f} MB until the end")
    return {"seconds": seconds, "megabytes": peaks}


PARTS: dict[str, Part] = {
    "uniform": _throughput("uniform"),
    "zipf": _throughput("zipf"),
    "suspensions": _suspensions,
    "company": _company,
    "idle": _idle,
}
ON_DEMAND: dict[str, Part] = {"backlog": _backlog}
"""Measured only where `--only` names it: it takes minutes."""


def _orders(console: Console, name: str, costs: Mapping[str, list[Cost]]) -> None:
    names = sorted({process for runs in costs.values() for each in runs for process in each.cpu_microseconds})
    table = Table(
        "system", "messages/s", "ratio", *(f"{each} µs" for each in names), "WAL B", "HOT", "MB", title=name
    )
    engine = statistics.median(each.rate for each in costs["engine"])
    for system, runs in costs.items():
        rate = statistics.median(each.rate for each in runs)
        last = runs[-1]
        table.add_row(
            system,
            f"{rate:,.0f}",
            "" if system == "enrolment" else f"{engine / rate:.2f} x",
            *(f"{last.cpu_microseconds.get(each, 0):.1f}" for each in names),
            f"{last.wal_bytes:.0f}",
            f"{last.hot_share:.1%}" if system.startswith("en") else "",
            f"{last.resident_megabytes:.0f}",
        )
    console.print(table)
    alone, hand, plain = (
        statistics.median(each.rate for each in costs[system])
        for system in (throughput.ALONE, throughput.LOOP, "plain handler")
    )
    runs = [*costs[throughput.ENGINES], *costs[throughput.ALONE]]
    wal, hot = (statistics.median(getattr(each, name) for each in runs) for name in ("wal_bytes", "hot_share"))
    _floor(console, f"orders, {name}", engine, 60_000, "messages a second")
    _floor(console, "one ingest beside the plain handler", alone / plain, 50, "times")
    _floor(console, "one ingest beside the hand-written loop", alone / hand, 0.9, "times")
    _floor(console, "WAL for each message", -wal, -300, "bytes")
    _floor(console, "HOT share of the account updates", hot * 100, 99, "%")


def _floor(console: Console, what: str, found: float, floor: float, unit: str) -> None:
    """One figure against its floor; limits from above are given as negative numbers."""
    verdict = "[green]ok[/green]" if found >= floor else "[red]MISSED[/red]"
    sign = "at most" if floor < 0 else "at least"
    console.print(f"{what}: {abs(found):,.2f} {unit} ({sign} {abs(floor):,g}) {verdict}", highlight=False)


if __name__ == "__main__":
    main()
