"""A database that was lost or set back is rebuilt from the topics: nothing is published twice, nothing is lost.

Owns `standing relay --reconcile`. What subscribers have read is compared as a whole, before and after.
"""

import json

import pytest

from tests.support.databases import drop, keep_copy, make_empty, nobody_works, rows, set_back, url_of
from tests.support.deployment import Deployment, Published, check_all
from tests.support.facts import enrolled, paid
from tests.support.wrong_order import withdrawn_and_again
from workers.devservers.stack import LocalServers

HISTORY = ("--accounts", "60", "--companies", "20", "--late", "0.1", "--doubled", "0.1", "--bad", "0.02")
LOG = "select shard, seq, hash, topic, key, headers, value, decision_id, subject, kind, effective_at, recorded_at"


@pytest.fixture
def drained(deployment: Deployment) -> Deployment:
    """A deployment that decided a generated history."""
    deployment.standing("generate", *HISTORY)
    with deployment.working():
        deployment.drain()
    return deployment


def read(deployment: Deployment) -> list[tuple[str, int, str]]:
    """Every message that a subscriber has read, by topic, partition and ce_id, in order."""
    return sorted((each.topic, each.partition, each.headers["ce_id"]) for each in deployment.published())


async def test_a_lost_database_is_rebuilt_and_no_message_is_published_again(drained: Deployment) -> None:
    before, log = read(drained), await rows(drained, f"{LOG} from decision_log order by shard, seq")
    accounts = (
        "select account_id, standing, sequence, standing_digest, next_check,"
        " span_start, last_effective_at, last_order_id"
        " from accounts left join account_clocks using (account_id) order by 1"
    )
    companies = "select company_key, sequence, terminations, completed from companies order by 1"
    stored = await rows(drained, accounts), await rows(drained, companies)
    await drop(drained)
    await make_empty(drained)
    empty = drained.standing("relay", "--reconcile", check=False)
    assert empty.stderr == "standing: the database is empty: run `standing setup` first\n"
    assert empty.returncode == 2
    drained.standing("setup")
    assert "standing relay --reconcile" in drained.standing("relay", check=False).stderr
    done = drained.standing("relay", "--reconcile").stdout
    assert "0 messages, and the differences of 0 accounts" in done
    assert (await rows(drained, accounts), await rows(drained, companies)) == stored
    restored = await rows(drained, f"{LOG} from decision_log order by shard, seq")
    kept = {(each.topic, each.headers["ce_id"]) for each in drained.published()}
    assert [row for row in restored if row[3]] == [row for row in log if row in restored]
    assert len(kept) == len([row for row in restored if row[3]])
    with drained.working():
        drained.drain()
    assert read(drained) == before
    await check_all(drained)
    await nobody_works(drained)
    assert "nothing to reconcile" in drained.standing("relay", "--reconcile").stdout


async def test_what_was_decided_and_not_yet_published_when_the_database_was_lost_is_published_once(
    drained: Deployment,
) -> None:
    drained.standing("generate", "--seed", "2", *HISTORY)
    with drained.working("ingest"), drained.working("timers"), drained.working("fanout"):
        drained.standing("drain", "--timeout", "10", check=False)
    before = read(drained)
    await drop(drained)
    drained.standing("setup")
    drained.standing("relay", "--reconcile")
    with drained.working():
        drained.drain()
    after = read(drained)
    assert len(after) > len(before)
    await check_all(drained)


async def test_a_database_set_back_to_an_older_state_is_brought_up_to_what_was_published(drained: Deployment) -> None:
    await keep_copy(drained)
    drained.standing("generate", "--seed", "2", *HISTORY)
    with drained.working():
        drained.drain()
    before: list[Published] = drained.published()
    await set_back(drained)
    with drained.working("timers") as timers:
        assert timers.wait(60) == 2  # it refuses the older database
    await nobody_works(drained)
    assert drained.standing("relay", "--reconcile").stdout
    with drained.working():
        drained.drain()
    assert [each.headers["ce_id"] for each in drained.published()] == [each.headers["ce_id"] for each in before]
    await check_all(drained)


async def test_decisions_that_were_published_in_a_wrong_order_are_published_again_in_theirs(
    deployment: Deployment,
) -> None:
    deployment.send([enrolled("zhang", "2016-03-01 10:00"), paid("zhang", "2016-08-29 00:00")])
    with deployment.working():
        deployment.drain()
    deployment.send(withdrawn_and_again(deployment.published()))
    assert "wrong order" in deployment.standing("replay", check=False).stdout
    await drop(deployment)
    deployment.standing("setup")
    assert "the differences of 1 accounts" in deployment.standing("relay", "--reconcile").stdout
    with deployment.working():
        deployment.drain()
    assert "equal" in deployment.standing("replay").stdout


async def test_after_a_rebuild_under_a_hold_a_backfilled_order_suspends_no_account(
    deployment: Deployment,
) -> None:
    deployment.send([enrolled("early", "2016-03-01 10:00"), paid("clock", "2016-09-10 00:00")])
    with deployment.working():
        deployment.drain()
    deployment.standing("hold", "a backfill")
    deployment.send([enrolled("late", "2016-03-02 10:00", "late"), enrolled("idle", "2016-03-02 10:00", "idle")])
    with deployment.working():
        deployment.drain()
    await keep_copy(deployment)
    deployment.send([enrolled("new", "2016-09-11 00:00", "new")])
    with deployment.working():
        deployment.drain()
    before = deployment.published()
    await set_back(deployment)
    deployment.standing("relay", "--reconcile")
    assert json.loads(deployment.standing("replay", "--json").stdout)["equal"]
    deployment.send([paid("late", "2016-03-05 10:00")])  # by itself it would suspend at 2 September
    with deployment.working():
        deployment.drain()
    assert deployment.published() == before
    assert json.loads(deployment.standing("replay", "--json").stdout)["equal"]
    deployment.send([paid("late", "2016-09-01 10:00")])
    with deployment.working():
        deployment.drain()
        deployment.standing("release")
        deployment.drain()
    told = {each.value["account_id"] for each in deployment.published(["suspensions"])}
    assert told == {"early", "idle"}
    await check_all(deployment)


async def test_the_database_of_another_deployment_is_refused_and_stays_as_it_is(
    deployment: Deployment, servers: LocalServers
) -> None:
    theirs = Deployment(
        deployment.environment
        | {
            "STANDING_TOPIC_PREFIX": f"other-{deployment.prefix}",
            "STANDING_DATABASE_URL": servers.postgres.url("theirs"),
        }
    )
    theirs.standing("setup")
    for each, account in ((deployment, "ours"), (theirs, "theirs")):
        each.send([enrolled(account, "2016-03-01 10:00")])
        with each.working():
            each.drain()
    everything = [
        f"{LOG} from decision_log order by shard, seq",
        "select * from deployment",
        "select * from accounts left join account_clocks using (account_id)",
    ]
    before = [await rows(theirs, query) for query in everything]
    mistaken = Deployment(deployment.environment | {"STANDING_DATABASE_URL": url_of(theirs)})
    refused = mistaken.standing("relay", "--reconcile", check=False)
    said = f"topic_prefix is '{deployment.prefix}', but the database was set up with '{theirs.prefix}'"
    assert refused.stderr == f"standing: {said}; see `standing setup`\n"
    assert refused.returncode == 2
    assert [await rows(theirs, query) for query in everything] == before
    await check_all(theirs)
