"""Ids that are equal when joined: every decision has its own id, and each subject its own log."""

import json

from confluent_kafka import Producer

from tests.support.deployment import Deployment, check_all
from tests.support.facts import case, enrolled

HIT = "2016-04-01 00:00"
PLACE = "order-status/0/0"
"""Of a dead letter, and the name of an account."""


async def test_ids_with_spaces_and_ids_that_are_the_names_of_other_things_are_told_apart(
    deployment: Deployment,
) -> None:
    accounts = ("z", "y z", "id:acme", PLACE)
    producer = Producer(deployment.settings.kafka.librdkafka())
    producer.produce(f"{deployment.prefix}order-status", b"no order", partition=0)
    producer.flush(30)
    deployment.send([enrolled(account, "2016-03-01 10:00") for account in accounts])
    deployment.send([case("z", HIT, event_id="x y"), case("y z", HIT, event_id="x")])
    deployment.send([enrolled("newcomer", "2016-04-02 00:00", event_id="e")])
    with deployment.working():
        deployment.drain()
        deployment.send([case("z", "2016-04-03 00:00", "reversed", event_id="r y")])
        deployment.send([case("y z", "2016-04-03 00:00", "reversed", event_id="r")])
        deployment.drain()
    verdict = await check_all(deployment)
    assert verdict.figures["dead_letters"] == 1
    ended = [each.value for each in deployment.published(["company-terminations"]) if "accounts" in each.value]
    assert {(each["case_event_id"], each["root_account_id"]): each["accounts"] for each in ended} == {
        ("x y", "z"): 4,
        ("x", "y z"): 4,
    }
    for account in accounts:
        explained = json.loads(deployment.standing("explain", account, "--json").stdout)
        assert [each["kind"] for each in explained["published"]] == [
            "account_enrolled", "account_terminated", "account_terminated", "account_reinstated",
        ]  # fmt: skip
        assert {each["account_id"] for each in explained["published"]} == {account}
