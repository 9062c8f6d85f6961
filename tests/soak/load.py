"""The facts of a soak: a seeded, endless history, partly shuffled and repeated, sent at a constant rate.

The history comes in waves of new sellers. Each wave is half over when the next begins, so some sellers always enrol
while others have long been inactive. The facts depend on the seed alone; how many are sent depends on the time.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import merge
from itertools import count, islice
from random import Random

from tests.soak.sender import Input, Sender
from workers.demo.generate import Generated, HistoryParameters, history
from workers.rules.calendar import DAY

DAYS = 730
WAVES = 5
"""How many waves a soak is about: more would end in the future, which the engine refuses."""
FACTS_OF_AN_ACCOUNT = 50
SLICE_SECONDS = 0.25
SHUFFLED, WINDOW = 0.0005, 1000
"""How often a window of records is shuffled, and how long it is at most."""
REPEATED, COPIES = 0.0002, 40
"""How often a record is sent many times in a row, and how many at most."""


def waves(seed: int, facts: int) -> Iterator[Generated]:
    """A history of about so many facts, and more, by arrival."""
    accounts = max(200, facts // WAVES // FACTS_OF_AN_ACCOUNT)
    standing: list[Generated] = []
    for number in count():
        shift = number * DAYS // 2 * DAY
        parameters = HistoryParameters(
            seed=seed + number,
            accounts=accounts,
            companies=accounts // 3 + 1,
            start=HistoryParameters().start + shift,
            days=DAYS,
            late=0.03,
            doubled=0.02,
            first_account=number * accounts,
        )
        standing = list(merge(standing, history(parameters), key=lambda each: each.arrives_at))
        until = parameters.start + DAYS // 2 * DAY
        yield from (each for each in standing if each.arrives_at < until)
        standing = [each for each in standing if each.arrives_at >= until]


def disturbed(random: Random, messages: Iterable[Generated]) -> Iterator[Generated]:
    """The same messages, some windows of them shuffled, and some messages repeated."""
    window: list[Generated] = []
    size = 0
    for each in messages:
        window.extend([each] * (random.randrange(2, COPIES) if random.random() < REPEATED else 1))
        if size == 0 and random.random() < SHUFFLED:
            size = random.randrange(2, WINDOW)
        if len(window) >= size:
            if size:
                random.shuffle(window)
            yield from window
            window, size = [], 0
    yield from window


class Load:
    """Sends a soak's facts at a rate, as soon as the broker takes them."""

    def __init__(self, sender: Sender, seed: int, rate: int, seconds: float) -> None:
        random = Random(f"facts {seed}")  # noqa: S311  # a seeded history, no secret
        facts = disturbed(random, waves(seed, round(rate * seconds)))
        self._records = (Input(each.topic, each.key, each.value) for each in facts)
        self._sender, self._rate = sender, rate

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; what a dead broker held up is sent when it is back.

        All of a slice are acknowledged before the next: none may overtake an older one of another topic for long.
        """
        await self._sender.send(islice(self._records, 1))  # the first wave is made before the clock runs
        began, given = time.monotonic(), 0
        while not stop.is_set():
            due = round((time.monotonic() - began) * self._rate) - given
            await self._sender.send(islice(self._records, due))
            given += due
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SLICE_SECONDS)
