"""`make simulate`: many random histories through the simulated deployment, each compared with the naive model."""

import argparse
import secrets
import sys
import time

from tests.simulator.comparison import Seen
from tests.simulator.running import failure, quiet, run_many, smallest
from tests.simulator.scenario import scenario

SHOWN_EVERY = 2.0
"""Seconds between two lines where the output is no terminal, a tenth of it where it is one."""


def main(arguments: list[str]) -> int:
    """Runs the histories; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="what everything follows from; a fresh one by default")
    parser.add_argument("--histories", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default=None, help="the seed of one history, as a failure prints it")
    chosen = parser.parse_args(arguments)
    if chosen.only is not None:
        return tell(chosen.only)
    seed = secrets.randbelow(10**9) if chosen.seed is None else chosen.seed
    print(f"seed {seed}: {chosen.histories:,} histories in {chosen.processes} processes", flush=True)
    done, seen, failed = 0, Seen(), None
    began = shown = time.monotonic()
    every = SHOWN_EVERY / 10 if sys.stdout.isatty() else SHOWN_EVERY * 15
    for count, came_to, failed in run_many(seed, chosen.histories, chosen.processes):
        done += count
        seen.add(came_to)
        if failed is not None or done == chosen.histories or time.monotonic() > shown + every:
            shown = time.monotonic()
            show(done, chosen.histories, shown - began, seen)
    print()
    return 0 if failed is None else tell(failed)


def show(done: int, histories: int, seconds: float, seen: Seen) -> None:
    """One line of progress, in the place of the one before on a terminal."""
    rate = done / max(seconds, 1e-9)
    line = (
        f"{done:,} of {histories:,}, {rate:,.0f} a second, {(histories - done) / rate:,.0f} s to go; "
        f"{seen.messages:,} messages, {seen.withdrawn:,} withdrawals, {seen.kills:,} kills, "
        f"{seen.timely:,} with all facts in time"
    )
    print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


def tell(seed: str) -> int:
    """Run one history again and print it, shrunk if it fails."""
    with quiet():
        given = scenario(seed)
        wrong = failure(given)
        if wrong is None:
            print(f"history {seed} ends as the model says:\n{given}")
            return 0
        print(f"FAILED: history {seed}\n{wrong}\n\nIt is made smaller ...", flush=True)
        small = smallest(given)
        print(f"\nThe smallest history that still fails:\n{small}\n\n{failure(small)}\n")
        print(f"Run it again: make simulate ARGS='--only {seed}'")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
