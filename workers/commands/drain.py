"""`standing drain`: waits until everything that is in the input topics now is decided and visible. Reads only.

It polls only what is cheap: positions, and counts by an index that end early. It reads the end offsets from Kafka
once, and the relay's checkpoints only when nothing else is left.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from contracts.topics import INPUT_TOPICS, Partition
from workers.checkpoints import published_seqs
from workers.kafka.admin import end_offsets
from workers.ops.clock import WallClock
from workers.rules.calendar import Instant
from workers.store.records import Position, Progress
from workers.store.state import read_state, unpublished
from workers.wiring import Database, Kafka

_ASK_SECONDS = 0.1
COUNTED = 1_000
"""Accounts and companies are counted no further than this."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to do; accounts and companies counted no further than `COUNTED`."""

    unread: int
    due: int
    fanouts: int
    unpublished: int | None
    """None while something else is left: it is not counted then."""
    behind: bool
    """Whether the watermark has not reached the present yet."""

    @property
    def more_to_decide(self) -> bool:
        """Whether more messages may follow."""
        return bool(self.unread or self.due or self.fanouts or self.behind)

    @property
    def in_words(self) -> str:
        """What is left, for people."""
        words = f"{self.unread:,} unread, {self.due:,} due, {self.fanouts:,} fan-outs"
        words += "" if self.unpublished is None else f", {self.unpublished:,} unpublished"
        return words + (", the watermark is behind" if self.behind else "")

    @property
    def nothing(self) -> bool:
        """Whether all is done."""
        return not self.more_to_decide and self.unpublished == 0


async def drain(database: Database, kafka: Kafka, timeout_seconds: float, report: Callable[[Left], None]) -> Left:
    """Wait until every fact now in the input topics is decided and visible; return what is left at the time-out."""
    begun = WallClock().wall()
    targets = await end_offsets(kafka.admin, [kafka.prefix + topic for topic in INPUT_TOPICS])
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while True:
        left = await _left(database, kafka, targets, begun)
        report(left)
        if left.nothing or loop.time() >= deadline:
            return left
        await asyncio.sleep(_ASK_SECONDS)


async def _left(database: Database, kafka: Kafka, targets: Mapping[Partition, int], begun: Instant) -> Left:
    positions = await database.store.positions()
    state = await read_state(database.store, database.settings.allowed_lateness, COUNTED)
    unread = sum(_unread(each, targets, kafka.prefix) for each in positions)
    present = begun if database.settings.clock == "wall" else state.progress.latest_occurred_at
    left = Left(unread, state.left.due, state.left.fanouts, None, _is_behind(state.progress, present))
    if left.behind:
        await database.store.notify_heartbeat()
    if left.more_to_decide:
        return left
    published = await published_seqs(kafka.admin, kafka.prefix, range(database.deployment.shards))
    found = await unpublished(database.store, state.shard_ends, published, begun)
    return replace(left, unpublished=found.messages)


def _unread(position: Position, targets: Mapping[Partition, int], prefix: str) -> int:
    return max(0, targets.get((prefix + position.topic, position.partition), 0) - position.next_offset)


def _is_behind(progress: Progress, present: Instant | None) -> bool:
    """Whether the watermark has not reached the present yet; False under a deadline hold."""
    if progress.held is not None or present is None:  # nothing was read yet
        return False
    return progress.known_until is None or progress.known_until < present
