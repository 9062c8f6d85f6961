"""A partition that gets so many bad records in a row that it is paused, until an operator accepts them.

It is never cut short, because the deployment cannot become idle while a partition is paused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.soak.sender import Input, Sender
from tests.soak.watching import Figures

BAD_RECORDS = (101, 300)
"""The 51st of a thousand pauses a partition, or the hundredth in a row if there were fewer before."""
VALUES = (b'{"status": "paid"}', b"{", b"[]", b"\xff", None)
TOPICS = ("order-status", "complaints")
LIMIT_SECONDS = 300.0


@dataclass
class DeadLetters:
    """`standing` runs a command as an operator would and returns its complaint, "" where it has none."""

    sender: Sender
    figures: Figures
    standing: Callable[..., Awaitable[str]]
    violations: list[str]
    partitions: int

    async def run(self, random: Random) -> str | None:
        """Send the records, wait until the partition is paused, accept, and wait until it is resumed."""
        topic, partition = random.choice(TOPICS), random.randrange(self.partitions)
        place = topic, partition
        number = random.randint(*BAD_RECORDS)
        bad = [Input(topic, b"bad", random.choice(VALUES), partition) for _ in range(number)]
        if not await self.sender.send(bad):
            return None
        answer = ""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await self.figures.until(lambda: place in self.figures.paused)
                rested_at = self.figures.positions[place]
                while place in self.figures.paused:  # said again until it is so: a server may be away
                    answer = await self.standing("dead-letters", "accept", topic, str(partition))
                    await self.figures.next()
                await self.figures.until(lambda: self.figures.positions[place] > rested_at)
        except TimeoutError:
            self.violations.append(
                f"{topic}/{partition} did not rest and go on within {LIMIT_SECONDS:.0f} s of {number} bad records; "
                f"it is paused: {place in self.figures.paused}; the last accept said {answer!r}"
            )
            return None
        return f"dead letters in {topic}"
