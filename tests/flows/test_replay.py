"""`standing replay` on real topics: equal to what was published, without the database, and exit 1 where it is not."""

import json
from typing import Any, cast

import pytest

from tests.support.engine import Engine
from tests.support.facts import enrolled, paid
from tests.support.wrong_order import withdrawn_and_again

HISTORY = ("--accounts", "40", "--companies", "15", "--late", "0.1", "--doubled", "0.1", "--bad", "0.01")


@pytest.fixture
def drained(engine: Engine) -> Engine:
    """A deployment that decided a generated history."""
    engine.standing("generate", *HISTORY)
    with engine.working():
        engine.drain()
    return engine


def test_a_replay_equals_what_was_published_with_the_database_or_without_and_finds_what_was_altered(
    drained: Engine,
) -> None:
    done = drained.standing("replay")
    assert "equal" in done.stdout
    away = {"STANDING_DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nowhere"}
    alone = json.loads(Engine(drained.environment | away).standing("replay", "--json").stdout)
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
    engine: Engine,
) -> None:
    engine.send([enrolled("zhang", "2016-03-01 10:00"), paid("zhang", "2016-08-29 00:00")])
    with engine.working():
        engine.drain()
    assert "equal" in engine.standing("replay").stdout
    engine.send(withdrawn_and_again(engine.published()))
    after = engine.standing("replay", "--json", check=False)
    assert after.returncode == 1
    found = {each["difference"]: each["detail"] for each in json.loads(after.stdout)["differences"]}
    assert found.keys() == {"in another order", "standing is another"}
    assert found["standing is another"] == "suspended by the last decision, active is said"


def test_a_replay_beside_a_hold_a_backlog_and_work_reports_no_difference(engine: Engine) -> None:
    engine.standing("generate", *HISTORY)
    with engine.working("ingest"), engine.working("fanout"):  # neither timers nor a relay
        engine.standing("drain", "--timeout", "5", check=False)
        assert_equal(engine)
    engine.standing("hold", "a backfill")
    with engine.working():
        engine.drain()
        assert_equal(engine)
        engine.standing("generate", "--seed", "3", *HISTORY)
        engine.drain()
        assert_equal(engine)
        engine.standing("release")
        for seed in range(4, 7):
            engine.standing("generate", "--seed", str(seed), "--accounts", "150")
            assert_equal(engine)
        engine.drain()
        assert_equal(engine)
    engine.standing("generate", "--seed", "9", *HISTORY)
    left_out = assert_equal(engine)["left_out"]
    assert left_out["records"] > 100, "nobody reads them"


def assert_equal(engine: Engine) -> dict[str, Any]:
    """What a replay says, which finds no difference; with some decisions, so that it says something."""
    done = engine.standing("replay", "--json", check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["equal"], found["differences"][:5]
    assert found["decisions"] > 20
    return found


def test_there_is_nothing_to_replay_where_no_topics_are(engine: Engine) -> None:
    elsewhere = Engine(engine.environment | {"STANDING_TOPIC_PREFIX": "nowhere."})
    done = elsewhere.standing("replay", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("standing: these topics do not exist: nowhere.order-status, ")
