"""Sets the metrics: the counters of each transaction, and the gauges of the whole deployment.

The timers worker samples the gauges every few seconds, so a scrape causes no query. An error here is counted and
tried again; it ends no worker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import inf

import asyncpg
from confluent_kafka import KafkaException

from contracts.kinds import DEAD_LETTER, WITHDRAWN
from workers import timeouts
from workers.enforcement.process import Done
from workers.kafka.admin import Admin, KafkaUnreachable
from workers.kafka.last_record import NoAnswer
from workers.kafka.security import KafkaAccess
from workers.ops import metrics
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.ops.metrics import Metrics
from workers.ops.refused import Refused
from workers.rules.calendar import SECOND, Instant
from workers.store.postgres import TRANSIENT, LostOwnership, Store
from workers.store.state import DeploymentState, read_state, unpublished

log = Log()

SAMPLE_SECONDS = 5.0


def decided(vitals: Vitals, done: Done, seconds: float) -> None:
    """Count the results of one transaction, which took `seconds`."""
    vitals.metrics.observe(metrics.TRANSACTION_SECONDS, seconds)
    vitals.metrics.count(metrics.ACCOUNTS, done.fast, path="fast")
    vitals.metrics.count(metrics.ACCOUNTS, done.accounts - done.fast, path="judged")
    vitals.metrics.count(metrics.JUDGEMENTS_FAILED, len(done.quarantined))
    for reason, number in done.reasons.items():
        vitals.metrics.count(metrics.DEAD_LETTERS, number, reason=reason)
    for kind, number in done.kinds.items():
        if kind.endswith(WITHDRAWN):
            vitals.metrics.count(metrics.WITHDRAWALS, number, kind=kind.removesuffix(WITHDRAWN))
        elif kind != DEAD_LETTER.name:
            vitals.metrics.count(metrics.DECISIONS, number, kind=kind)


async def reach_kafka(kafka: KafkaAccess, vitals: Vitals) -> None:
    """Ask the brokers for the cluster id periodically, so that an idle worker's readiness is known."""
    admin = Admin(kafka)
    while True:
        try:
            await admin.cluster_id()
            vitals.answered("kafka")
        except (KafkaUnreachable, KafkaException) as error:
            log.warning("brokers not reached", error=str(error))
            vitals.failed(error)
        await asyncio.sleep(timeouts.REACH_SECONDS)


@dataclass(slots=True)
class Sampler:
    """The gauges of the deployment."""

    store: Store
    metrics: Metrics
    failed: Callable[[Exception], None]
    clock: Clock
    allowed_lateness: Instant
    published: Callable[[int], Awaitable[int]]
    """Returns the last seq of a shard that a read_committed consumer sees."""
    _seen: dict[int, int] = field(default_factory=dict)
    """The last answers of `published`; they only grow, so a shard that is published to its end needs no new one."""

    async def run(self) -> None:
        """Sample every few seconds until cancelled."""
        while True:
            try:
                await self.sample()
            except (*TRANSIENT, asyncpg.PostgresError, NoAnswer, LostOwnership, Refused) as error:
                log.warning("gauges not sampled", error=repr(error))
                self.failed(error)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample(self) -> None:
        """Set every gauge once."""
        state = await read_state(self.store, self.allowed_lateness)
        now = self.clock.wall()
        self._watermark(state, now)
        self._left_to_do(state)
        await self._unpublished(state.shard_ends, now)
        self.metrics.set(metrics.SAMPLED, now / SECOND)

    def _watermark(self, state: DeploymentState, now: Instant) -> None:
        watermark = state.watermark
        self.metrics.set(metrics.WATERMARK, 0 if watermark is None else watermark / SECOND)
        self.metrics.set(
            metrics.WATERMARK_AGE, inf if watermark is None else (now - self.allowed_lateness - watermark) / SECOND
        )
        self.metrics.set(metrics.DEADLINES_HELD, state.progress.held is not None)

    def _left_to_do(self, state: DeploymentState) -> None:
        left = state.left
        late = 0 if left.oldest_due is None or state.watermark is None else state.watermark - left.oldest_due
        self.metrics.set(metrics.DUE, left.due)
        self.metrics.set(metrics.OVERDUE, left.overdue)
        self.metrics.set(metrics.OLDEST_DUE, late / SECOND)
        self.metrics.set(metrics.ACCOUNTS_QUARANTINED, left.accounts_quarantined)
        self.metrics.set(metrics.FANOUTS, left.fanouts)
        self.metrics.clear(metrics.PAUSED)
        for topic, partition in state.paused:
            self.metrics.set(metrics.PAUSED, 1, topic=topic, partition=str(partition))

    async def _unpublished(self, shard_ends: Mapping[int, int], now: Instant) -> None:
        for shard, end in shard_ends.items():
            if self._seen.get(shard, 0) < end:
                self._seen[shard] = await self.published(shard)
        found = await unpublished(self.store, shard_ends, self._seen, now)
        self.metrics.set(metrics.UNPUBLISHED, found.messages)
        self.metrics.set(metrics.UNPUBLISHED_AGE, found.seconds)
