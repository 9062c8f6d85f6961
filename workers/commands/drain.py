"""`standing drain`: waits until everything that is in the input topics now is decided and visible.

Reads only. What it asks again and again is cheap: positions, and counts by an index that end early. Kafka is asked
once for the ends, and for what the relay published only when nothing else is left.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.topics import INPUT_TOPICS
from workers.commands.status import relay_marks
from workers.kafka import admin
from workers.rules.calendar import Instant
from workers.store.postgres import statement
from workers.store.records import MINUS_INFINITY, Position, Progress
from workers.wiring import Parts

_ASK_SECONDS = 0.1
COUNTED = 1_000
"""How far what is left is counted."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to do; accounts and companies counted no further than `COUNTED`."""

    unread: int
    due: int
    spreads: int
    unpublished: int | None
    """None while something else is left, for it is not asked for then."""
    behind: bool
    """Whether the horizon is not yet where everything was read."""

    @property
    def nothing(self) -> bool:
        """Whether all is done."""
        return not (self.unread or self.due or self.spreads or self.behind) and self.unpublished == 0


async def drain(made: Parts, timeout_seconds: float, report: Callable[[Left], None]) -> bool:
    """Wait until every fact now in the input topics is decided and visible; False after the time-out."""
    settings = made.settings
    begun = made.enforcement.clock.wall()
    topics = [settings.topic_prefix + topic for topic in INPUT_TOPICS]
    targets = await admin.end_offsets(settings.kafka, topics)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while True:
        left = await _left(made, targets, begun)
        report(left)
        if left.nothing:
            return True
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_ASK_SECONDS)


async def _left(made: Parts, targets: Mapping[tuple[str, int], int], begun: Instant) -> Left:
    positions = await made.store.positions()
    async with made.store.transaction() as transaction:
        progress = await transaction.progress()
    horizon = progress.horizon(made.settings.settle)
    due = None if horizon == MINUS_INFINITY else horizon
    [counts] = await made.pool.fetch(statement("gauges"), due, None, COUNTED)
    unread = sum(_unread(each, targets, made.settings.topic_prefix) for each in positions)
    present = begun if made.settings.clock == "wall" else progress.latest_occurred_at
    behind = _is_behind(progress, present)
    rest = not (unread or counts["due"] or counts["spreads"] or behind)
    unpublished = await _unpublished(made) if rest else None
    return Left(unread, counts["due"], counts["spreads"], unpublished, behind)


def _unread(position: Position, targets: Mapping[tuple[str, int], int], prefix: str) -> int:
    return max(0, targets.get((prefix + position.topic, position.partition), 0) - position.next_offset)


def _is_behind(progress: Progress, present: Instant | None) -> bool:
    """Whether the horizon, which nothing holds, is not yet at the present."""
    if progress.held is not None or present is None:  # none: nothing was ever read
        return False
    return progress.known_until is None or progress.known_until < present


async def _unpublished(made: Parts) -> int:
    """How many rows of the log Kafka has not."""
    heads = await made.pool.fetch("select shard, next_seq from shards")
    marks = await relay_marks(made.settings, made.deployment.shards)
    return sum(max(0, row["next_seq"] - 1 - marks.get(row["shard"], 0)) for row in heads)
