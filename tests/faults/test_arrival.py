"""Facts that arrive up to a thousand times and in any order end with the same decisions in force.

Only order and number of arrivals change, not the instants of the facts.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.faults.deployment import FaultyDeployment
from tests.support.long import long
from workers.demo.generate import Generated, HistoryParameters, history

GOOD = HistoryParameters(seed=7, accounts=100, companies=30, days=400, late=0.1, doubled=0.05, bad=0)


def shuffled(messages: Sequence[Generated]) -> list[Generated]:
    """All of it in any order."""
    return Random(1).sample(messages, len(messages))  # noqa: S311


def shuffled_in_windows(messages: Sequence[Generated]) -> list[Generated]:
    """Windows of two to a thousand records, each in any order."""
    random, found = Random(2), list[Generated]()  # noqa: S311
    while len(found) < len(messages):
        window = messages[len(found) : len(found) + random.randrange(2, 1000)]
        found += random.sample(window, len(window))
    return found


def repeated(messages: Sequence[Generated]) -> list[Generated]:
    """Most facts once, some up to a thousand times, soon and long after."""
    random = Random(3)  # noqa: S311
    found = [copy for each in messages for copy in [each] * (2 if random.random() < 0.5 else 1)]
    for each in random.sample(messages, 20):
        place = random.randrange(len(found))
        found[place:place] = [each] * random.choice((20, 200, 1000))
    return found


def backwards(messages: Sequence[Generated]) -> list[Generated]:
    """The newest first."""
    return list(messages[::-1])


@long
@pytest.mark.parametrize("arrival", [shuffled, shuffled_in_windows, repeated, backwards])
async def test_the_same_decisions_are_in_force_in_any_order_of_arrival(
    deployment: FaultyDeployment, arrival: Callable[[Sequence[Generated]], list[Generated]]
) -> None:
    messages = [replace(each, arrives_at=0) for each in arrival(history(GOOD))]  # sent at one go
    async with deployment.working():
        await deployment.stream(messages)
        await deployment.streamed(messages)
        await deployment.published()
    _, verdict = await deployment.at_rest()
    print(verdict)
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    assert verdict.figures["records"] == len(messages)
    assert verdict.figures["decisions"] > 300
