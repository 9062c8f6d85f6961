"""The state of a deployment in its database: for `standing status`, `standing drain` and the gauges.

Its queries use indexes and count up to a limit, so they cost the same with ten accounts and with ten million.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from contracts.topics import Partition
from workers import timeouts
from workers.rules.calendar import SECOND, Instant
from workers.store.postgres import Store
from workers.store.records import MINUS_INFINITY, Progress
from workers.store.statements import statement

COUNTED_TO = 10_000
"""The limit of a count of accounts, companies or dead letters; a count that reaches it may be higher."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The pending work, counted up to a limit."""

    due: int
    """Accounts whose deadline the watermark has passed."""
    overdue: int
    """Accounts whose deadline it has passed by more than `timeouts.STUCK_SECONDS`."""
    waiting: int
    """Accounts whose next deadline is ahead of the watermark."""
    accounts_quarantined: int
    dead_letters: int
    fanouts: int
    """Companies whose members must still be judged, except those that wait for deferred or quarantined members and
    except quarantined fan-outs.
    """
    fanouts_idle: int
    """Fan-outs that no worker has advanced for more than `timeouts.STUCK_SECONDS`."""


@dataclass(frozen=True, slots=True)
class LeftToDo(Counts):
    """The counts, and the age of the oldest work."""

    oldest_due: Instant | None
    """The earliest deadline that is due."""


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """The progress of a deployment."""

    progress: Progress
    watermark: Instant | None
    """Deadlines are enforced up to here; None if none are enforced."""
    left: LeftToDo
    paused: Mapping[Partition, str]
    """Partitions that the dead-letter limiter paused, and why."""
    shard_ends: Mapping[int, int]
    """The last seq of each shard of the log."""


async def read_state(store: Store, allowed_lateness: Instant, counted_to: int = COUNTED_TO) -> DeploymentState:
    """The present state; raises LostOwnership if the deployment changed since this process started."""
    async with store.transaction() as transaction:
        progress = await transaction.progress()
    watermark = progress.watermark(allowed_lateness)
    due = None if watermark == MINUS_INFINITY else watermark
    overdue = None if due is None else due - timeouts.STUCK_SECONDS * SECOND
    [row] = await store.fetch(
        statement("left_to_do"), due, overdue, timedelta(seconds=timeouts.STUCK_SECONDS), counted_to
    )
    paused = await store.fetch(statement("paused_partitions"))
    return DeploymentState(
        progress,
        due,
        LeftToDo(**row),
        {(topic, partition): why for topic, partition, why in paused},
        dict(await store.fetch(statement("shard_ends"))),
    )


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The rows of the log that are not yet in Kafka."""

    messages: int
    seconds: float
    """The age of the oldest row; 0 if there is none."""


async def unpublished(
    store: Store, shard_ends: Mapping[int, int], published: Mapping[int, int], now: Instant
) -> Unpublished:
    """What is left to publish, if Kafka has each shard up to `published`."""
    messages, oldest = 0, now
    for shard, end in shard_ends.items():
        seen = published.get(shard, 0)
        if seen < end:
            messages += end - seen
            for first in await store.read_log(shard, seen, 1):
                oldest = min(oldest, first.recorded_at)
    return Unpublished(messages, (now - oldest) / SECOND)
