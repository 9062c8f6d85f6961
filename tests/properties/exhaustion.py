"""`make exhaust`: every sequence of a few facts, in any order and doubled or not, compared with the naive model.

Shorter sequences come first, so the first that differs is a smallest one. Each is tried with three ways of time
passing. It owns no rule; what is tried stands in `alphabet`, and `stepping` tries it.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.properties.alphabet import LETTERS
from tests.properties.stepping import TIMES, State, after, differences, expand
from tests.properties.strategies import FAR

CHUNK = 1_000
"""States that a process goes on from at a time, at most."""


class Tried(NamedTuple):
    """All sequences of one length, how many steps were run for them, and the first that differs from the model."""

    length: int
    sequences: int
    steps: int
    differs: State | None


def chunks_of(layer: list[State]) -> Iterator[list[State]]:
    """States that share facts come together, so that the model is asked less often by two processes."""
    layer.sort(key=lambda state: sorted(state.read))
    for _, alike in groupby(layer, key=lambda state: min(state.read, default=0)):
        together = list(alike)
        for first in range(0, len(together), CHUNK):
            yield together[first : first + CHUNK]


def run(length: int, processes: int, apart: bool, progress: Progress) -> Iterator[Tried]:
    """Every sequence up to a length, the shorter ones first; ends at the first difference."""
    layer = [State(passing, (), 1) for passing in TIMES]
    with get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        for now in range(1, length + 1):
            task = progress.add_task(f"length {now}", total=len(layer) * len(LETTERS))
            merged: dict[tuple[str, bytes], State] = {}
            steps = sequences = 0
            going_on = partial(expand, last=now == length, apart=apart)
            for found in (map if pool is None else pool.imap_unordered)(going_on, chunks_of(layer)):
                steps, sequences = steps + found.steps, sequences + found.sequences
                progress.update(task, completed=steps)
                if found.differs is not None:
                    yield Tried(now, sequences, steps, found.differs)
                    return
                for name, state in found.reached:
                    known = merged.get((state.passing, name))
                    together = state if known is None else known._replace(sequences=known.sequences + state.sequences)
                    merged[state.passing, name] = together
            yield Tried(now, sequences, steps, None)
            layer = list(merged.values())


def tell(differs: State) -> str:
    """A sequence that differs from the model, and how."""
    engine = after(differs.read, differs.passing)
    found = differences(engine, differs.read)
    if found is None:
        engine.wakes(FAR)
        found = differences(engine, differs.read)
    names = tuple(LETTERS)
    facts = "\n".join(f"  {number}. {names[letter]}" for number, letter in enumerate(differs.read, 1))
    return f"DIFFERS ({differs.passing}: {TIMES[differs.passing]})\n{facts}\n{found}"


def main(arguments: list[str]) -> int:
    """Tries every sequence; 1 where one differs."""
    parser = argparse.ArgumentParser(prog="make exhaust", description=__doc__)
    parser.add_argument("--length", type=int, default=4, help="of the longest sequences; 5 takes hours")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--apart", action="store_true", help="run each sequence by itself, equal states or not")
    chosen = parser.parse_args(arguments)
    console = Console()
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console.print(
        f"{len(LETTERS)} facts in every order, {len(TIMES)} ways of time passing, {chosen.processes} processes"
    )
    began, tried = time.monotonic(), []
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        for each in run(chosen.length, chosen.processes, chosen.apart, progress):
            tried.append(each)
            console.print(f"length {each.length}: {each.sequences:>13,} sequences in {each.steps:>10,} steps")
    seconds = time.monotonic() - began
    sequences, steps = sum(each.sequences for each in tried), sum(each.steps for each in tried)
    differs = tried[-1].differs
    console.print("All as the model says." if differs is None else tell(differs), markup=False)
    rate = f"{sequences / seconds:,.0f} sequences and {steps / seconds:,.0f} steps a second"
    console.print(f"{sequences:,} sequences in {seconds:,.0f} s: {rate}")
    return 0 if differs is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
