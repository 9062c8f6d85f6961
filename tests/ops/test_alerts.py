"""Each alert fires beyond its limit, and is still at it: the samples beside each rule say what that means."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.ops.alerting import Samples, fires

RULES = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
QUERIES: dict[str, str] = {each["alert"]: each["expr"] for each in RULES}
NOW = 1_000_000.0


def slow(seconds: float) -> Samples:
    """A hundred transactions, of which two took over `seconds` and all less than 10."""
    buckets = {"1.0": 98.0 if seconds else 100.0, "5.0": 98.0 if seconds > 1 else 100.0, "10.0": 100.0, "+Inf": 100.0}
    return {f'standing_transaction_seconds_bucket{{le="{bound}"}}': number for bound, number in buckets.items()}


CASES: dict[str, tuple[Sequence[Samples], Sequence[Samples]]] = {
    "StandingWorkerDown": (
        [{'up{job="standing",instance="a"}': 1, 'up{job="standing",instance="b"}': 0}],
        [{'up{job="standing",instance="a"}': 1, 'up{job="other"}': 0}],
    ),
    "StandingDeadlinesNotEnforced": (
        [{"standing_watermark_age_seconds": 301, "standing_deadlines_held": 0}],
        [
            {"standing_watermark_age_seconds": 300, "standing_deadlines_held": 0},
            {"standing_watermark_age_seconds": 9999, "standing_deadlines_held": 1},
        ],
    ),
    "StandingDeadlinesHeld": ([{"standing_deadlines_held": 1}], [{"standing_deadlines_held": 0}]),
    "StandingDeadlinesOverdue": ([{"standing_deadlines_overdue": 1}], [{"standing_deadlines_overdue": 0}]),
    "StandingDecisionsUnpublished": (
        [{'standing_unpublished_age_seconds{shard="0"}': 1, 'standing_unpublished_age_seconds{shard="1"}': 61}],
        [{'standing_unpublished_age_seconds{shard="0"}': 60}],
    ),
    "StandingPartitionPaused": (
        [{'standing_partition_paused{topic="complaints",partition="1"}': 1}],
        [{'standing_partition_paused{topic="complaints",partition="1"}': 0}, {}],
    ),
    "StandingPartitionHalted": (
        [{'standing_partition_halted{topic="complaints",partition="1",error="OFFSET_OUT_OF_RANGE"}': 1}],
        [{'standing_partition_halted{topic="complaints",partition="1",error="OFFSET_OUT_OF_RANGE"}': 0}, {}],
    ),
    "StandingLag": (
        [{'standing_lag_records{topic="complaints",partition="1"}': 50_001}],
        [
            {
                'standing_lag_records{topic="complaints",partition="1"}': 50_000,
                'standing_lag_records{topic="complaints",partition="2"}': 50_000,
            }
        ],
    ),
    "StandingAccountsQuarantined": ([{"standing_accounts_quarantined": 1}], [{"standing_accounts_quarantined": 0}]),
    "StandingDeadLetters": (
        [{'standing_dead_letters_total{reason="invalid_json"}': 1.01, "standing_records_total": 100}],
        [
            {'standing_dead_letters_total{reason="invalid_json"}': 1, "standing_records_total": 100},
            {'standing_dead_letters_total{reason="invalid_json"}': 0, "standing_records_total": 0},
        ],
    ),
    "StandingManyWithdrawals": (
        [{"standing_withdrawals_total": 21, 'standing_decisions_total{kind="account_suspended"}': 100}],
        [{"standing_withdrawals_total": 20, 'standing_decisions_total{kind="account_suspended"}': 100}],
    ),
    "StandingFanoutsStuck": ([{"standing_fanouts": 1}], [{"standing_fanouts": 0}]),
    "StandingWorkerRestarts": (
        [{'standing_worker_restarts_total{worker="relay"}': 4 / 900}],
        [
            {
                'standing_worker_restarts_total{worker="relay"}': 3 / 900,
                'standing_worker_restarts_total{worker="timers"}': 3 / 900,
            }
        ],
    ),
    "StandingFenced": (
        [{'standing_failures_total{error="Fenced"}': 0.06}, {'standing_failures_total{error="LostOwnership"}': 0.06}],
        [{'standing_failures_total{error="Fenced"}': 0.05, 'standing_failures_total{error="OSError"}': 9}],
    ),
    "StandingProducersRecycled": (
        [{'standing_producers_recycled_total{shard="0"}': 21 / 900}],
        [{'standing_producers_recycled_total{shard="0"}': 20 / 900}],
    ),
    "StandingSlowTransactions": ([slow(5)], [slow(1), slow(0)]),
    "StandingNotSampled": (
        [{"standing_sampled_timestamp_seconds": NOW - 61}, {}],
        [{"standing_sampled_timestamp_seconds": NOW - 60}],
    ),
}
"""For each alert samples with which it fires, and samples with which it does not. Counters: growth in a second."""


def test_every_alert_is_tried_both_ways() -> None:
    assert CASES.keys() == QUERIES.keys()
    assert all(firing and quiet for firing, quiet in CASES.values())


@pytest.mark.parametrize("alert", QUERIES)
def test_an_alert_fires_beyond_its_limit_and_not_at_it(alert: str) -> None:
    firing, quiet = CASES[alert]
    assert [fires(QUERIES[alert], samples, NOW) for samples in firing] == [True] * len(firing)
    assert [fires(QUERIES[alert], samples, NOW) for samples in quiet] == [False] * len(quiet)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("max(some) > 2", False),
        ("max(some) > 1", True),
        ("sum(some) == 3", True),
        ("max by (topic) (some) == 1", True),
        ("max(some) > 1 and max(some) > 2", False),
        ("max(some) > 1 unless max(some) > 2", True),
        ("max(some) > 2 or absent(other)", True),
        ("absent(some)", False),
        ("2 * max(some) - 1 == 3", True),
        ('some{topic=~"a|c"} == 2', False),
        ("increase(some[1m]) == 120", True),
        ("rate(some[1m]) == 2", True),
        ("time() - max(some) == 8", True),
    ],
)
def test_the_evaluator_reads_promql_as_prometheus_does(query: str, wanted: bool) -> None:
    samples = {'some{topic="a"}': 1.0, 'some{topic="b"}': 2.0}
    assert fires(query, samples, 10.0) == wanted
