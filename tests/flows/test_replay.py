"""`standing replay` on real topics: equal to what was published, without the database, and exit 1 where it is not."""

import json
from typing import Any, cast

import pytest

from tests.support.deployment import Deployment
from tests.support.facts import enrolled, paid
from tests.support.wrong_order import withdrawn_and_again

HISTORY = ("--accounts", "40", "--companies", "15", "--late", "0.1", "--doubled", "0.1", "--bad", "0.01")


@pytest.fixture
def drained(deployment: Deployment) -> Deployment:
    """A deployment that decided a generated history."""
    deployment.standing("generate", *HISTORY)
    with deployment.working():
        deployment.drain()
    return deployment


def test_a_replay_equals_what_was_published_with_the_database_or_without_and_finds_what_was_altered(
    drained: Deployment,
) -> None:
    done = drained.standing("replay")
    assert "equal" in done.stdout
    away = {"STANDING_DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nowhere"}
    alone = json.loads(Deployment(drained.environment | away).standing("replay", "--json").stdout)
    assert alone["equal"], alone
    assert alone["decisions"] > 100

    withdrawal, _ = withdrawn_and_again(drained.published())
    drained.send([withdrawal])
    after = drained.standing("replay", "--json", check=False)
    assert after.returncode == 1
    found = json.loads(after.stdout)["differences"]
    withdrawn = cast("dict[str, str]", withdrawal[2])["withdraws"]
    assert [(each["difference"], each["decision_id"]) for each in found] == [("not published", withdrawn)]


def test_a_replay_finds_decisions_of_one_instant_in_another_order_and_a_standing_that_does_not_follow(
    deployment: Deployment,
) -> None:
    deployment.send([enrolled("zhang", "2016-03-01 10:00"), paid("zhang", "2016-08-29 00:00")])
    with deployment.working():
        deployment.drain()
    assert "equal" in deployment.standing("replay").stdout
    deployment.send(withdrawn_and_again(deployment.published()))
    after = deployment.standing("replay", "--json", check=False)
    assert after.returncode == 1
    found = {each["difference"]: each["detail"] for each in json.loads(after.stdout)["differences"]}
    assert found.keys() == {"wrong order", "standing contradicts decisions"}
    assert found["standing contradicts decisions"] == "suspended after the last decision, active published"


def test_a_replay_beside_a_hold_a_backlog_and_work_reports_no_difference(deployment: Deployment) -> None:
    deployment.standing("generate", *HISTORY)
    with deployment.working("ingest"), deployment.working("fanout"):  # neither timers nor a relay
        deployment.standing("drain", "--timeout", "5", check=False)
        assert_equal(deployment)
    deployment.standing("hold", "a backfill")
    with deployment.working():
        deployment.drain()
        assert_equal(deployment)
        deployment.standing("generate", "--seed", "3", *HISTORY)
        deployment.drain()
        assert_equal(deployment)
        deployment.standing("release")
        for seed in range(4, 7):
            deployment.standing("generate", "--seed", str(seed), "--accounts", "150")
            assert_equal(deployment)
        deployment.drain()
        assert_equal(deployment)
    deployment.standing("generate", "--seed", "9", *HISTORY)
    left_out = assert_equal(deployment)["left_out"]
    assert left_out["records"] > 100, "nobody reads them"


def assert_equal(deployment: Deployment) -> dict[str, Any]:
    """What a replay says, which finds no difference; with some decisions, so that it says something."""
    done = deployment.standing("replay", "--json", check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["equal"], found["differences"][:5]
    assert found["decisions"] > 20
    return found


def test_there_is_nothing_to_replay_where_no_topics_are(deployment: Deployment) -> None:
    elsewhere = Deployment(deployment.environment | {"STANDING_TOPIC_PREFIX": "nowhere."})
    done = elsewhere.standing("replay", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("standing: these topics do not exist: nowhere.order-status, ")
