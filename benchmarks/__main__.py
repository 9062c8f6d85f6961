"""`make bench`: measures, and prints tables and what was wanted; it asserts no times."""

import argparse
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import backlog, commands, growth, latency, throughput
from benchmarks.measure import Figure
from workers.devservers.stack import LocalServers, local_servers

Part = Callable[[Console, LocalServers, Namespace], list[Figure]]

PARTS: dict[str, Part] = {
    "uniform": lambda to, servers, its: throughput.compare(to, servers, "uniform", its.accounts, its.messages),
    "zipf": lambda to, servers, its: throughput.compare(to, servers, "zipf", its.accounts, its.messages),
    "enrolment": lambda to, servers, its: throughput.enrol(to, servers, its.accounts),
    "suspensions": lambda to, servers, its: latency.suspensions(to, servers, its.deadlines),
    "company": lambda to, servers, its: latency.company(to, servers, its.members),
    "idle": lambda to, servers, its: latency.idle(to, servers, its.samples, its.seconds),
    "start": lambda to, servers, its: commands.start(to, servers),
    "replay": lambda to, servers, its: commands.replay(to, servers, its.facts),
}
"""What is measured, each by a part of its own."""
ON_DEMAND: dict[str, Part] = {
    "growth": lambda to, servers, its: growth.growth(to, servers, its.sizes, its.grown_messages),
    "backlog": lambda to, servers, its: backlog.memory(to, servers, its.accounts, its.waiting),
}
"""Measured only where `--only` names it: it takes minutes."""


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--only", choices=[*PARTS, *ON_DEMAND], action="append", help="a part; may be repeated")
    parser.add_argument(
        "--json", type=Path, help="write the figures to this file, and keep those of other parts that it holds"
    )
    for name, default, meaning in (
        ("messages", 1_750_000, "orders, uniform and Zipf; seven rounds share them"),
        ("accounts", 100_000, "accounts of orders and enrolments"),
        ("deadlines", 50_000, "suspensions at one midnight"),
        ("members", 10_000, "accounts of the company"),
        ("samples", 300, "facts, one at a time, of the idle deployment"),
        ("seconds", 20, "for which the idle deployment is watched"),
        ("facts", 1_000_000, "of the history that is replayed"),
        ("waiting", 5_000_000, "orders of the backlog"),
        ("grown-messages", 1_000_000, "orders for each size of growth"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=meaning)
    parser.add_argument("--sizes", type=int, nargs="+", default=growth.SIZES, help="accounts of growth")
    arguments = parser.parse_args()
    console = Console(width=max(140, Console().width))
    console.print(f"{os.cpu_count()} cores; load before the run {os.getloadavg()[0]:.1f}")
    parts = {name: part for name, part in (PARTS | ON_DEMAND).items() if name in (arguments.only or PARTS)}
    with local_servers() as servers:
        try:
            found = {name: part(console, servers, arguments) for name, part in parts.items()}
        except throughput.TooFewMessages as error:
            sys.exit(f"too few to measure: {error}")
    _print(console, [figure for figures in found.values() for figure in figures])
    if arguments.json:
        kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        as_json = kept | {name: [asdict(figure) for figure in figures] for name, figures in found.items()}
        arguments.json.write_text(json.dumps(as_json, indent=2) + "\n")


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table("", "measured", "wanted", "hand-written loop", "ratio", "wanted", "", title="figures")
    for each in figures:
        wanted = _limit("at least", each.at_least) or _limit("at most", each.at_most)
        ratio_wanted = _limit("at least", each.ratio_at_least)
        verdict = "" if not wanted and not ratio_wanted else "[red]MISSED" if each.missed else "[green]ok"
        loop, ratio = (_limit("", value).strip() for value in (each.loop, each.ratio))
        table.add_row(each.what, f"{_number(each.value)} {each.unit}", wanted, loop, ratio, ratio_wanted, verdict)
    console.print(table)


def _limit(words: str, value: float | None) -> str:
    return "" if value is None else f"{words} {_number(value)}"


def _number(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
