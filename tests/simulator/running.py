"""Runs scenarios in several processes, and shrinks a failing one."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

from tests.simulator.comparison import Seen, compare
from tests.simulator.scenario import Scenario, scenario
from tests.simulator.simulation import World
from workers.ops.logs import ENGINE

CHUNK = 50
SCHEDULES = 12
"""Other interleavings tried of a smaller scenario before it counts as one that does not fail."""
SHRINK_RUNS = 10_000


@contextmanager
def quiet() -> Iterator[None]:
    """What the workers would log of killed and moved partitions is of no interest."""
    ENGINE.disabled = True
    try:
        yield
    finally:
        ENGINE.disabled = False


def run(given: Scenario) -> Seen:
    """Run one scenario; raises where it does not end as the model says."""
    world = World(given)
    world.run()
    return compare(world)


def failure(given: Scenario) -> str | None:
    """What is wrong with how a scenario ends; None where nothing is."""
    try:
        run(given)
    except Exception as error:  # whatever it is, it is the finding
        return f"{type(error).__name__}: {error}"
    return None


def run_some(seeds: list[str]) -> tuple[int, Seen, str | None]:
    """Run the scenarios of some seeds; returns how many, what they came to, and the first seed that failed."""
    seen = Seen()
    gc.set_threshold(20_000)
    with quiet():
        for count, seed in enumerate(seeds):
            try:
                seen.add(run(scenario(seed)))
            except Exception:  # the caller runs it again and tells
                return count + 1, seen, seed
    return len(seeds), seen, None


def run_many(seed: int, histories: int, processes: int) -> Iterator[tuple[int, Seen, str | None]]:
    """The same for `histories` seeds that follow from one, as they come in; ends at the first failure."""
    chunks = (
        [f"{seed}/{index}" for index in range(first, min(first + CHUNK, histories))]
        for first in range(0, histories, CHUNK)
    )
    if processes == 1:
        results: Iterator[tuple[int, Seen, str | None]] = map(run_some, chunks)
        yield from _until_failed(results)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from _until_failed(pool.imap_unordered(run_some, chunks))


def _until_failed(results: Iterator[tuple[int, Seen, str | None]]) -> Iterator[tuple[int, Seen, str | None]]:
    for each in results:
        yield each
        if each[2] is not None:
            return


def smallest(given: Scenario, runs: int = SHRINK_RUNS) -> Scenario:
    """A scenario as small as can be found from one that fails: without facts, steps, workers or faults."""
    left = iter(range(runs))
    smaller: Scenario | None = given
    while smaller is not None:
        given = smaller
        smaller = next(filter(None, (_that_fails(each, left) for each in _smaller(given))), None)
    return given


def _smaller(given: Scenario) -> Iterator[Scenario]:
    simpler: dict[str, Any] = {
        "kills": 0,
        "moves": 0,
        "failures": 0,
        "ingests": 1,
        "timers": 1,
        "fanouts": 1,
        "relays": 1,
        "end": 0,
    }
    simpler |= {"breaks": 0, "lags": {}, "clocks": (0,) * len(given.clocks)}
    size = len(given.arrivals)
    for length in sorted({size // 2, size // 4, 1} - {0}, reverse=True):
        for first in range(0, size, length):
            kept = given.arrivals[:first] + given.arrivals[first + length :]
            if kept:
                yield replace(given, arrivals=kept)
    for name, value in simpler.items():
        if getattr(given, name) != value:
            yield replace(given, **{name: value})
    plain = tuple(replace(each, open_for=0, ghost=None, skew=0) for each in given.arrivals)
    if plain != given.arrivals:
        yield replace(given, arrivals=plain)
    if given.most_steps > 0:
        yield replace(given, most_steps=given.most_steps // 2)


def _that_fails(given: Scenario, left: Iterator[int]) -> Scenario | None:
    """The scenario by its own schedule or another, where one fails; each takes one of the runs that are left."""
    for schedule in (given.schedule, *range(SCHEDULES)):
        tried = replace(given, schedule=schedule)
        if next(left, None) is not None and failure(tried) is not None:
            return tried
    return None
