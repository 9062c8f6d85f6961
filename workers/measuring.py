"""What the metrics are set to: what a transaction did, and how far the whole deployment is.

Owns the few queries of the gauges, which use an index and stop counting at a limit, so that they cost the same
with ten accounts and ten million. The invariant: they are asked every few seconds by the timers worker, never
because somebody scrapes; an error in here is counted and tried again, and ends no worker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf

import asyncpg
import structlog
from confluent_kafka import KafkaException

from contracts.kinds import DEAD_LETTER, WITHDRAWN
from workers.enforcement.road import Done
from workers.kafka.admin import Admin, KafkaUnreachable
from workers.kafka.last_record import NoAnswer
from workers.kafka.security import KafkaAccess
from workers.ops import metrics as names
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.ops.metrics import Metrics
from workers.ops.refused import Refused
from workers.rules.calendar import SECOND, Instant
from workers.store.postgres import TRANSIENT, LostOwnership, Store, statement
from workers.store.records import MINUS_INFINITY, Progress

log = structlog.get_logger()

SAMPLE_SECONDS = 5.0
REACH_SECONDS = 10.0
OVERDUE_SECONDS = 60
COUNTED_TO = 100_000


def decided(metrics: Metrics, done: Done, seconds: float) -> None:
    """Count what one transaction did."""
    metrics.observe(names.TRANSACTION_SECONDS, seconds)
    metrics.count(names.ACCOUNTS, done.fast, path="fast")
    metrics.count(names.ACCOUNTS, done.accounts - done.fast, path="judged")
    metrics.count(names.QUARANTINED, len(done.quarantined))
    for reason, number in done.reasons.items():
        metrics.count(names.DEAD_LETTERS, number, reason=reason)
    for kind, number in done.kinds.items():
        if kind.endswith(WITHDRAWN):
            metrics.count(names.WITHDRAWALS, number, kind=kind.removesuffix(WITHDRAWN))
        elif kind != DEAD_LETTER.name:
            metrics.count(names.DECISIONS, number, kind=kind)


async def reach_kafka(kafka: KafkaAccess, vitals: Vitals) -> None:
    """Ask the brokers something small now and then, for ever: so an idle worker knows whether it could work."""
    admin = Admin(kafka)
    while True:
        try:
            await admin.cluster_id()
            vitals.answered("kafka")
        except (KafkaUnreachable, KafkaException) as error:
            log.warning("brokers not reached", error=str(error))
            vitals.failed(error)
        await asyncio.sleep(REACH_SECONDS)


@dataclass(slots=True)
class Sampler:
    """The gauges of the deployment."""

    store: Store
    metrics: Metrics
    failed: Callable[[Exception], None]
    clock: Clock
    settle: Instant
    published: Callable[[int], Awaitable[int]]
    """The last seq of a shard that a read_committed reader of Kafka sees."""
    _seen: dict[int, int] = field(default_factory=dict)
    """The same as last asked: it only grows, so of a shard that is published to its end nothing is asked."""

    async def run(self) -> None:
        """Sample every few seconds, for ever."""
        while True:
            try:
                await self.sample()
            except (*TRANSIENT, asyncpg.PostgresError, NoAnswer, LostOwnership, Refused) as error:
                log.warning("gauges not sampled", error=repr(error))
                self.failed(error)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample(self) -> None:
        """Set every gauge once."""
        async with self.store.transaction() as transaction:
            progress = await transaction.progress()
        now = self.clock.wall()
        self._horizon(progress, now)
        await self._left_to_do(progress.horizon(self.settle))
        await self._unpublished(now)
        self.metrics.set(names.SAMPLED, now / SECOND)

    def _horizon(self, progress: Progress, now: Instant) -> None:
        horizon = progress.horizon(self.settle)
        known = horizon != MINUS_INFINITY
        self.metrics.set(names.HORIZON, horizon / SECOND if known else 0)
        self.metrics.set(names.HORIZON_AGE, (now - self.settle - horizon) / SECOND if known else inf)
        self.metrics.set(names.SILENCE_HELD, progress.held is not None)

    async def _left_to_do(self, horizon: Instant) -> None:
        due = None if horizon == MINUS_INFINITY else horizon
        overdue = None if due is None else due - OVERDUE_SECONDS * SECOND
        [found] = await self.store.fetch(statement("gauges"), due, overdue, COUNTED_TO)
        oldest = found["oldest_due"]
        self.metrics.set(names.DUE, found["due"])
        self.metrics.set(names.OVERDUE, found["overdue"])
        self.metrics.set(names.OLDEST_DUE, 0 if oldest is None else (horizon - oldest) / SECOND)
        self.metrics.set(names.ACCOUNTS_QUARANTINED, found["accounts_quarantined"])
        self.metrics.set(names.SPREADS, found["spreads"])
        paused = await self.store.fetch(statement("paused_partitions"))
        self.metrics.clear(names.PAUSED)
        for topic, partition, _ in paused:
            self.metrics.set(names.PAUSED, 1, topic=topic, partition=str(partition))

    async def _unpublished(self, now: Instant) -> None:
        count, oldest = 0, now
        for shard, last_seq in await self.store.fetch(statement("shard_ends")):
            if self._seen.get(shard, 0) < last_seq:
                self._seen[shard] = await self.published(shard)
            seen = self._seen.get(shard, 0)
            if seen < last_seq:
                count += last_seq - seen
                for first in await self.store.read_log(shard, seen, 1):
                    oldest = min(oldest, first.recorded_at)
        self.metrics.set(names.UNPUBLISHED, count)
        self.metrics.set(names.UNPUBLISHED_AGE, (now - oldest) / SECOND)
