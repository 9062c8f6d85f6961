"""What the metrics say of transactions and of the deployment, on a real database; and what asking costs it."""

import json
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from tests.model.story import enrolled, local, order
from tests.support.database_deployment import DatabaseDeployment, break_for
from tests.support.noted_metrics import Noted
from workers.enforcement import evaluate
from workers.measuring import Sampler, decided
from workers.ops.health import Vitals
from workers.rules.calendar import SECOND
from workers.store.state import COUNTED_TO
from workers.store.statements import statement


class Sampling:
    """A sampler whose Kafka has what the test says."""

    def __init__(self, deployment: DatabaseDeployment) -> None:
        self.asked: list[int] = []
        self.published: dict[int, int] = {}
        self.failures: list[Exception] = []
        self.metrics = Noted()
        store, clock = deployment.store, deployment.enforcement.clock
        self.sampler = Sampler(store, self.metrics, self.failures.append, clock, 0, self._published)

    async def _published(self, shard: int) -> int:
        self.asked.append(shard)
        return self.published.get(shard, 0)

    async def gauges(self) -> dict[str, float]:
        """Every gauge without its prefix, after one sample."""
        await self.sampler.sample()
        return {name.removeprefix("standing_"): value for name, value in self.metrics.values.items()}


async def test_a_transaction_counts_its_accounts_decisions_withdrawals_and_quarantined_accounts(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Noted()
    vitals = Vitals(metrics=metrics)
    decided(
        vitals,
        await deployment.reads(enrolled("2016-03-01", "a", "x", "e1"), enrolled("2016-03-01", "b", "y", "e2")),
        0.5,
    )
    await deployment.reaches(local("2016-09-01"))
    decided(vitals, await deployment.reads(order("2016-08-20", "a", "o1")), 0.25)
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "b")
        decided(vitals, await deployment.reads(order("2016-08-30", "b", "o2")), 0.125)
    assert metrics.values == {
        "standing_transaction_seconds": 0.125,
        "standing_accounts_total fast": 0,
        "standing_accounts_total judged": 4,
        "standing_judgements_failed_total": 1,
        "standing_decisions_total account_enrolled": 2,
        "standing_decisions_total account_standing": 3,
        "standing_withdrawals_total account_suspended": 1,
        "standing_withdrawals_total suspension_notice": 2,
    }


async def test_the_gauges_are_those_of_the_tables(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Sampling(deployment)
    found = await sampling.gauges()
    assert (found["watermark_timestamp_seconds"], found["watermark_age_seconds"]) == (0, inf)
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "c")
        await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in "abc"))
    await deployment.pool.execute("insert into dead_letter_windows values ('complaints', 1, 100, '[]', 0, 'why')")
    await deployment.pool.execute(
        "insert into company_fanouts (company_key, version, because) values ('id:1', 1, '')"
    )
    [(first_due,)] = await deployment.pool.fetch("select next_check from accounts where account_id = 'a'")
    await deployment.move_watermark(first_due + 30 * SECOND)
    heads = {row[0]: row[1] for row in await deployment.pool.fetch(statement("shard_ends"))}
    total = sum(heads.values())
    assert total >= 4

    found = await sampling.gauges()
    assert found.pop("watermark_age_seconds") > 86_400 * 365
    assert found.pop("sampled_timestamp_seconds") > 1.7e9
    assert 0 <= found.pop("unpublished_age_seconds") < 60
    assert found == {
        "watermark_timestamp_seconds": first_due / SECOND + 30,
        "deadlines_held": 0,
        "deadlines_due": 2,
        "deadlines_overdue": 0,
        "oldest_deadline_seconds": 30,
        "accounts_quarantined": 1,
        "fanouts": 1,
        "partition_paused complaints 1": 1,
        "unpublished_messages": total,
    }

    await deployment.move_watermark(first_due + 61 * SECOND)
    await deployment.pool.execute("update deployment set held = 'an emergency'")
    found = await sampling.gauges()
    assert (found["deadlines_held"], found["deadlines_due"]) == (1, 0)
    await deployment.pool.execute("update deployment set held = null")
    found = await sampling.gauges()
    assert (found["deadlines_held"], found["deadlines_due"], found["deadlines_overdue"]) == (0, 2, 2)


async def test_kafka_is_asked_only_for_shards_that_are_not_published_to_their_end(
    deployment: DatabaseDeployment,
) -> None:
    sampling = Sampling(deployment)
    await sampling.gauges()
    assert sampling.asked == []
    await deployment.reads(enrolled("2016-03-01", "a", "x", "e1"))
    ends = {row[0]: row[1] for row in await deployment.pool.fetch(statement("shard_ends"))}
    [shard] = [shard for shard, end in ends.items() if end]
    assert (await sampling.gauges())["unpublished_messages"] == ends[shard]
    sampling.published[shard] = ends[shard]
    assert (await sampling.gauges())["unpublished_messages"] == 0
    assert sampling.asked == [shard, shard]
    found = await sampling.gauges()
    assert (found["unpublished_messages"], found["unpublished_age_seconds"]) == (0, 0)
    assert sampling.asked == [shard, shard]


NEVER = [("Seq Scan", table) for table in ("accounts", "memberships")]


async def test_the_gauges_read_indexes_alone(deployment: DatabaseDeployment) -> None:
    plan = await deployment.pool.fetchval(
        f"explain (format json) {statement('left_to_do')}",
        local("2016-09-01"),
        local("2016-08-31"),
        timedelta(seconds=60),
        COUNTED_TO,
    )
    indexes: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        assert (node["Node Type"], node.get("Relation Name")) not in NEVER
        if "Index Name" in node:
            indexes.append(node["Index Name"])
        for each in node.get("Plans", ()):
            walk(each)

    walk(json.loads(plan)[0]["Plan"])
    of_accounts = sorted(each for each in indexes if each.startswith("accounts"))
    assert of_accounts == [*["accounts_next_check"] * 4, "accounts_pkey", "accounts_quarantined"]
