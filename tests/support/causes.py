"""The sets of causes that a partition can begin with and can have."""

from collections.abc import Iterator
from itertools import combinations

from workers.ingest.transitions import Cause, Causes, initial

INITIAL = (initial(is_paused=False), initial(is_paused=True))


def reachable() -> Iterator[Causes]:
    """Every set of causes that a partition can have."""
    for count in range(len(Cause) + 1):
        for each in map(frozenset, combinations(Cause, count)):
            if Cause.BACKING_OFF not in each or Cause.FETCH_ERROR in each:
                yield each
