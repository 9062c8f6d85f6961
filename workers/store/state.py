"""The state of a deployment, as its database has it: for `standing status`, `standing drain` and the gauges.

Reads only, by indexes, and counts no further than a limit, so that asking costs the same with ten accounts and ten
million.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from workers import timeouts
from workers.rules.calendar import SECOND, Instant
from workers.store.postgres import Store
from workers.store.records import MINUS_INFINITY, Progress
from workers.store.statements import statement

COUNTED_TO = 10_000
"""How far accounts, companies and dead letters are counted: this many may be more."""


@dataclass(frozen=True, slots=True)
class LeftToDo:
    """What is left to do, counted to a limit."""

    due: int
    """Accounts whose silence the watermark has passed, to be judged now."""
    overdue: int
    """Those of them that it passed by over `timeouts.STUCK_SECONDS`."""
    oldest_due: Instant | None
    """The oldest of their deadlines."""
    waiting: int
    """Accounts whose next deadline is ahead."""
    accounts_quarantined: int
    """Accounts whose evaluation failed."""
    dead_letters: int
    fanouts: int
    """Companies whose members are still to be judged; those with members that wait for the watermark aside."""
    fanouts_idle: int
    """Those of them that nobody has worked on for over `timeouts.STUCK_SECONDS`."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a deployment is."""

    progress: Progress
    watermark: Instant | None
    """Deadlines are enforced up to here; None where none is."""
    left: LeftToDo
    paused: Mapping[tuple[str, int], str]
    """Partitions of mostly dead letters, and why they rest."""
    shard_ends: Mapping[int, int]
    """The last seq of each shard of the log."""


async def read_state(store: Store, allowed_lateness: Instant, counted_to: int = COUNTED_TO) -> State:
    """The state now; raises LostOwnership where the deployment is no longer the one that this process knows."""
    async with store.transaction() as transaction:
        progress = await transaction.progress()
    watermark = progress.watermark(allowed_lateness)
    due = None if watermark == MINUS_INFINITY else watermark
    overdue = None if due is None else due - timeouts.STUCK_SECONDS * SECOND
    [row] = await store.fetch(
        statement("left_to_do"), due, overdue, timedelta(seconds=timeouts.STUCK_SECONDS), counted_to
    )
    paused = await store.fetch(statement("paused_partitions"))
    return State(
        progress,
        due,
        LeftToDo(**row),
        {(topic, partition): why for topic, partition, why in paused},
        dict(await store.fetch(statement("shard_ends"))),
    )


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The rows of the log that no reader of Kafka can see yet."""

    messages: int
    seconds: float
    """The age of the oldest of them; 0 where there is none."""


async def unpublished(
    store: Store, shard_ends: Mapping[int, int], published: Mapping[int, int], now: Instant
) -> Unpublished:
    """What is left to publish, where Kafka has each shard up to `published`."""
    messages, oldest = 0, now
    for shard, end in shard_ends.items():
        seen = published.get(shard, 0)
        if seen < end:
            messages += end - seen
            for first in await store.read_log(shard, seen, 1):
                oldest = min(oldest, first.recorded_at)
    return Unpublished(messages, (now - oldest) / SECOND)
