"""The metrics of the workers, each with a description, and their registry.

Owns the names; tests compare the documents, the alert rules and the dashboard with them. A worker counts once for
each transaction, never for each record. The invariant: no label takes its value from input, from a setting or from
the text of an error, so metrics contain no secrets and the number of series is bounded.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 3000.0, 5000.0, 10_000.0, 50_000.0)


PIECE = 32
"""Samples that are rendered before other tasks may run."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: the workers that measure it, its description and its labels."""

    name: str
    kind: Kind
    by: tuple[str, ...]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS


_WORKERS = ("ingest", "timers", "fanout", "relay")
_DECIDING = ("ingest", "timers", "fanout")

FAILURES = Metric(
    "standing_failures_total",
    "counter",
    _WORKERS,
    "Failures that were rolled back and retried, by type. `LostOwnership`: another worker took partitions over, or "
    "the deployment changed; `Fenced`: another relay took a shard over.",
    ("error",),
)
TRANSACTION_SECONDS = Metric(
    "standing_transaction_seconds",
    "histogram",
    _DECIDING,
    "Duration of each database transaction that decided accounts or moved positions, including lock waits.",
)
ACCOUNTS = Metric(
    "standing_accounts_total",
    "counter",
    _DECIDING,
    "Accounts processed: `fast`, from the account's row alone (an order moved its clock or was its first, or timers "
    "moved its next check), or `judged` from their history.",
    ("path",),
)
JUDGEMENTS_FAILED = Metric(
    "standing_judgements_failed_total",
    "counter",
    _DECIDING,
    "Accounts quarantined because their evaluation failed: a defect of the engine or a damaged row.",
)
DECISIONS = Metric(
    "standing_decisions_total",
    "counter",
    _DECIDING,
    "Messages written to the decision log, by kind, without withdrawals and dead letters.",
    ("kind",),
)
WITHDRAWALS = Metric(
    "standing_withdrawals_total", "counter", _DECIDING, "Decisions withdrawn, by their kind.", ("kind",)
)
DEAD_LETTERS = Metric(
    "standing_dead_letters_total", "counter", ("ingest",), "Records that became dead letters, by reason.", ("reason",)
)
RECORDS = Metric("standing_records_total", "counter", ("ingest",), "Records processed.")
BATCH_RECORDS = Metric(
    "standing_batch_records", "histogram", ("ingest",), "Records in each transaction of ingest.", buckets=ROWS
)
LAG = Metric(
    "standing_lag_records",
    "gauge",
    ("ingest",),
    "Records not processed yet, for each partition of this worker, up to the end offset that it last saw.",
    ("topic", "partition"),
)
PARTITIONS = Metric("standing_partitions", "gauge", ("ingest",), "Partitions of this worker.")
HALTED = Metric(
    "standing_partitions_halted",
    "gauge",
    ("ingest",),
    "Partitions of this worker that cannot be fetched: the stored position is not in the topic, or fetches fail.",
)
HALTED_BY = Metric(
    "standing_partition_halted",
    "gauge",
    ("ingest",),
    "1 for each partition of this worker that cannot be fetched, with Kafka's name for the error.",
    ("topic", "partition", "error"),
)
FETCH_ERRORS = Metric(
    "standing_fetch_errors_total",
    "counter",
    ("ingest",),
    "Fetches of a partition that failed, by Kafka's name for the error; each is retried within 10 seconds.",
    ("topic", "partition", "error"),
)
CASES_WAITING = Metric(
    "standing_partitions_waiting", "gauge", ("ingest",), "Partitions of this worker that are blocked on the registry."
)
CLAIMS = Metric(
    "standing_claims_total",
    "counter",
    ("ingest",),
    "Claims of partitions: at start, at each rebalance, after each rollback and after ownership is lost.",
)
WATERMARK = Metric(
    "standing_watermark_timestamp_seconds",
    "gauge",
    ("timers",),
    "The watermark, up to which deadlines are enforced; 0: none are.",
)
WATERMARK_AGE = Metric(
    "standing_watermark_age_seconds",
    "gauge",
    ("timers",),
    "Lag of the watermark behind the wall clock less `STANDING_ALLOWED_LATENESS_SECONDS`; +Inf: no deadline is "
    "enforced. Not meaningful with `STANDING_CLOCK=events`.",
)
DEADLINES_HELD = Metric("standing_deadlines_held", "gauge", ("timers",), "1 between `standing hold` and `release`.")
DUE = Metric(
    "standing_deadlines_due",
    "gauge",
    ("timers",),
    "Accounts whose deadline the watermark has passed; counted to 10,000.",
)
OVERDUE = Metric(
    "standing_deadlines_overdue",
    "gauge",
    ("timers",),
    "Accounts whose deadline the watermark has passed by over 60 seconds; counted to 10,000.",
)
OLDEST_DUE = Metric(
    "standing_oldest_deadline_seconds",
    "gauge",
    ("timers",),
    "How far the watermark has passed the oldest deadline that is due.",
)
ACCOUNTS_QUARANTINED = Metric(
    "standing_accounts_quarantined",
    "gauge",
    ("timers",),
    "Accounts that are quarantined; counted to 10,000.",
)
FANOUTS = Metric(
    "standing_fanouts",
    "gauge",
    ("timers",),
    "Companies whose members are being judged, without those that wait for deferred or quarantined members, and "
    "without quarantined fan-outs.",
)
PAUSED = Metric(
    "standing_partition_paused",
    "gauge",
    ("timers",),
    "1 for each partition that is paused because too many of its records are dead letters.",
    ("topic", "partition"),
)
UNPUBLISHED = Metric(
    "standing_unpublished_messages",
    "gauge",
    ("timers",),
    "Messages in the decision log that a subscriber cannot see yet.",
)
UNPUBLISHED_AGE = Metric(
    "standing_unpublished_age_seconds",
    "gauge",
    ("timers",),
    "Age of the oldest message that a subscriber cannot see yet.",
)
SAMPLED = Metric(
    "standing_sampled_timestamp_seconds", "gauge", ("timers",), "When the gauges of the deployment were last sampled."
)
PUBLISHED = Metric("standing_published_messages_total", "counter", ("relay",), "Messages published.", ("shard",))
PUBLISH_MESSAGES = Metric(
    "standing_publish_messages", "histogram", ("relay",), "Messages in each Kafka transaction.", buckets=ROWS
)
PUBLISH_SECONDS = Metric(
    "standing_publish_seconds",
    "histogram",
    ("relay",),
    "Duration of each Kafka transaction, including reading the log.",
)
RECYCLED = Metric(
    "standing_producers_recycled_total",
    "counter",
    ("relay",),
    "Producers that were replaced: fenced, refused, or with a transaction of unknown outcome.",
    ("shard",),
)
RUNNING = Metric(
    "standing_worker_running",
    "gauge",
    ("work",),
    "1 for each worker process that runs, 0 for one that is to be restarted.",
    ("worker", "number"),
)
RESTARTS = Metric(
    "standing_worker_restarts_total",
    "counter",
    ("work",),
    "Worker processes that died and were restarted.",
    ("worker",),
)

METRICS: Sequence[Metric] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of the above."""


class Metrics(Protocol):
    """The operations on metrics that a worker uses."""

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, metric: Metric, value: float) -> None:
        """Add one observation to a histogram."""
        ...

    def clear(self, metric: Metric) -> None:
        """Forget every series of a gauge with labels."""
        ...

    def before_scrape(self, measure: Callable[[], None]) -> None:
        """Call `measure`, which sets gauges, before each scrape."""
        ...


class Unmeasured:
    """Metrics of a process without a metrics port: they do nothing."""

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None: ...

    def set(self, metric: Metric, value: float, **labels: str) -> None: ...

    def observe(self, metric: Metric, value: float) -> None: ...

    def clear(self, metric: Metric) -> None: ...

    def before_scrape(self, measure: Callable[[], None]) -> None: ...


class Measured:
    """The metrics of one worker, for scraping; those without labels exist from the start."""

    def __init__(self, worker: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nothing reads
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        own = [each for each in METRICS if worker in each.by]
        self._counters = {each: self._counter(each) for each in own if each.kind == "counter"}
        self._gauges = {each: self._gauge(each) for each in own if each.kind == "gauge"}
        self._histograms = {each: self._histogram(each) for each in own if each.kind == "histogram"}
        self._before: list[Callable[[], None]] = []

    def _counter(self, each: Metric) -> Counter:
        return Counter(each.name, each.says, each.labels, registry=self._registry)

    def _gauge(self, each: Metric) -> Gauge:
        return Gauge(each.name, each.says, each.labels, registry=self._registry)

    def _histogram(self, each: Metric) -> Histogram:
        return Histogram(each.name, each.says, registry=self._registry, buckets=each.buckets)

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        found = self._counters[metric]
        (found.labels(**labels) if labels else found).inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        found = self._gauges[metric]
        (found.labels(**labels) if labels else found).set(value)

    def observe(self, metric: Metric, value: float) -> None:
        """Add one observation to a histogram."""
        self._histograms[metric].observe(value)

    def clear(self, metric: Metric) -> None:
        """Forget every series of a gauge with labels."""
        self._gauges[metric].clear()

    def before_scrape(self, measure: Callable[[], None]) -> None:
        """Call `measure`, which sets gauges, before each scrape."""
        self._before.append(measure)

    def rendered(self) -> Iterator[bytes]:
        """Everything in Prometheus's text format, in small pieces, so that the sender can let other tasks run."""
        for measure in self._before:
            measure()
        for family in self._registry.collect():
            samples = family.samples
            for first in range(0, max(1, len(samples)), PIECE):
                family.samples = samples[first : first + PIECE]
                text = generate_latest(_One(family))
                yield text if first == 0 else re.sub(rb"(?m)^#.*\n", b"", text)


@dataclass(frozen=True, slots=True)
class _One:
    """A registry of one family, for `generate_latest`."""

    family: Family

    def collect(self) -> Iterator[Family]:
        yield self.family

    def describe(self) -> Iterator[Family]:
        yield self.family
