"""The alert rules, the dashboard and the scrape configuration speak of metrics, labels and workers that exist."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.promql import NotPromQL, Query
from workers import run_worker  # noqa: F401  # the modules of all workers, whose errors `subclasses` finds
from workers.ops.metrics import METRICS, Metric
from workers.settings import Settings
from workers.supervisor import worker_processes

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS: list[Mapping[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: Mapping[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
QUERIES = [each["expr"] for each in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]
OF_PROMETHEUS = {"job", "instance"}
NOT_OURS = {"up", "process_resident_memory_bytes"}


def series(metric: Metric) -> dict[str, Metric]:
    """The names under which Prometheus has a metric."""
    suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
    return {metric.name + suffix: metric for suffix in suffixes}


SERIES = {name: metric for each in METRICS for name, metric in series(each).items()}


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_is_well_formed_and_asks_for_what_exists(text: str) -> None:
    query = Query(text).read()
    labels = set(OF_PROMETHEUS)
    for each in query.selected:
        if each.name in NOT_OURS:
            assert each.labels <= OF_PROMETHEUS
            continue
        metric = SERIES[each.name]
        own = {*metric.labels, "le"} if each.name.endswith("_bucket") else set(metric.labels)
        assert each.labels <= own | OF_PROMETHEUS
        assert each.over_time == (metric.kind != "gauge"), "counters are only of use as rates, gauges as they are"
        labels |= own
    assert query.grouped <= labels


def subclasses(error: type[BaseException]) -> set[str]:
    """The names of an exception and all that are known to derive from it."""
    return {error.__name__, *(name for each in error.__subclasses__() for name in subclasses(each))}


def values_of(label: str) -> set[str]:
    """What a label can say."""
    match label:
        case "error":
            return subclasses(Exception)
        case "job":
            [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
            return {job["job_name"]}
        case "path":
            return {"fast", "judged"}
        case _:
            raise AssertionError(f"say here what values {label} can have")


def unknown_values(text: str) -> list[tuple[str, str]]:
    """Label values of a query that no series can have; each branch of a pattern is looked for by itself."""
    return [
        (label, branch)
        for each in Query(text).read().selected
        for label, pattern in each.matched
        for branch in pattern.split("|")
        if not any(re.fullmatch(branch, value) for value in values_of(label))
    ]


@pytest.mark.parametrize("text", [each for each in QUERIES if "{" in each])
def test_a_query_compares_labels_with_values_that_they_can_have(text: str) -> None:
    assert unknown_values(text) == []


def test_a_value_that_no_label_can_have_is_found() -> None:
    assert unknown_values('rate(standing_failures_total{error=~"LostOwnership|FencedOff"}[5m])') == [
        ("error", "FencedOff")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max(standing_fanouts",
        "max(standing_fanouts))",
        "max(standing_fanouts) >",
        "sum by (topic standing_fanouts)",
        "rate(standing_records_total)",
        "standing_records_total[5m]",
        'standing_failures_total{error="Fenced}',
        'standing_failures_total{error>"Fenced"}',
        "maximum(standing_fanouts)",
        "rate(standing_records_total[5 minutes])",
        "standing_fanouts standing_fanouts",
    ],
)
def test_what_is_not_promql_is_refused(text: str) -> None:
    with pytest.raises(NotPromQL):
        Query(text).read()


def test_every_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    shown = {
        SERIES[each.name].name for text in QUERIES for each in Query(text).read().selected if each.name in SERIES
    }
    hidden = {metric.name for metric in METRICS} - shown
    assert hidden == {
        "standing_watermark_timestamp_seconds",
        "standing_judgements_failed_total",
        "standing_oldest_deadline_seconds",
        "standing_partitions",
        "standing_unpublished_messages",
        "standing_worker_running",
    }


def test_every_alert_says_what_is_wrong_and_what_to_do_and_its_labels_are_those_of_its_query() -> None:
    assert len({each["alert"] for each in ALERTS}) == len(ALERTS)
    for each in ALERTS:
        assert each.keys() <= {"alert", "expr", "for", "labels", "annotations"}, each["alert"]
        assert each["labels"]["severity"] in ("page", "ticket")
        assert each["annotations"].keys() == {"summary", "action"}
        query = Query(each["expr"]).read()
        for label in ("topic", "partition", "worker", "error", "instance"):
            if f"$labels.{label}" in "".join(each["annotations"].values()):
                assert label in query.grouped | (OF_PROMETHEUS if each["expr"].startswith("up") else set())


def test_the_scrape_configuration_names_the_ports_of_standing_work() -> None:
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    [targets] = job["static_configs"]
    workers = worker_processes(Settings(metrics_port=9464, ingests=2))
    ports = ["9464", *(each.environment["STANDING_METRICS_PORT"] for each in workers)]
    assert targets["targets"] == [f"localhost:{port}" for port in ports]


def test_the_dashboards_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_no_metric_can_carry_a_secret_or_a_name_from_the_input() -> None:
    """Labels are topics, partitions, shards, workers, kinds, reasons and types of errors: all of them are code."""
    known = {"topic", "partition", "shard", "worker", "number", "kind", "reason", "error", "path"}
    assert {label for each in METRICS for label in each.labels} == known
    assert all(each.name.startswith("standing_") and each.says.endswith(".") for each in METRICS)
    assert all((each.kind == "counter") == each.name.endswith("_total") for each in METRICS)
