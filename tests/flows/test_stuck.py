"""`standing status` names what is stuck and exits 1, and exits 0 after the repair."""

import asyncio
import json
import time
from dataclasses import replace

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.support.broker import left_open
from tests.support.databases import rows, until
from tests.support.deployment import Deployment
from tests.support.facts import case, enrolled
from tests.support.raw import send_to

TWO_MINUTES_AGO = (
    "update company_fanouts set worked_at = worked_at - interval '2 minutes'",
    "update decision_log set recorded_at = recorded_at - interval '2 minutes'",
)


def stuck(deployment: Deployment) -> list[str]:
    """What `standing status` says is stuck; its exit code must say so too."""
    done = deployment.standing("status", "--json", check=False)
    found: list[str] = json.loads(done.stdout)["stuck"]
    assert done.returncode == int(bool(found)), done.stdout + done.stderr
    return found


async def make_anew(admin: AdminClient, topic: str) -> None:
    """The topic is deleted and created again."""
    await asyncio.wrap_future(admin.delete_topics([topic])[topic])
    deadline = time.monotonic() + 30
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline, f"{topic} is not deleted"
        await asyncio.sleep(0.05)
    await asyncio.wrap_future(admin.create_topics([NewTopic(topic, 4, config={"retention.ms": "-1"})])[topic])


async def test_what_waits_for_a_worker_that_does_not_run_is_named(deployment: Deployment) -> None:
    deployment = replace(deployment, environment=deployment.environment | {"STANDING_CLOCK": "wall"})
    at_first = stuck(deployment)
    assert len(at_first) == 16
    assert all(line.endswith("was never read to its end; does ingest run?") for line in at_first)
    deployment.send([enrolled("idle", "2016-03-01 10:00", "other"), enrolled("root", "2016-03-01 10:00")])
    with deployment.working("ingest"):
        await until(deployment, "select count(*) = 2 from accounts")
        deployment.send([case("root", "2016-03-02 10:00")])
        await until(
            deployment,
            "exists (select from company_fanouts) and (select bool_and(watermark is not null) from positions)",
        )
        for each in TWO_MINUTES_AGO:
            await rows(deployment, each)
        relay, fanout, timers = stuck(deployment)
        assert relay.startswith("decisions are unpublished for 1")
        assert fanout == "1 fan-outs are idle for over 60 s; does fanout run?"
        assert timers == "1 deadlines are overdue by over 60 s; does timers run?"
    with deployment.working():
        deployment.drain()
        assert stuck(deployment) == []


async def test_a_partition_that_is_halted_is_named_with_its_reason(deployment: Deployment) -> None:
    admin = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"], "log_level": 0})
    complaints, orders, requests = (
        deployment.prefix + topic for topic in ("complaints", "order-status", "account-requests")
    )
    assert stuck(deployment) == []
    send_to(deployment, "complaints", 2, [b"1", b"2", b"3"])
    for each in admin.delete_records([TopicPartition(complaints, 2, 2)]).values():  # as retention does
        await asyncio.wrap_future(each)
    await asyncio.wrap_future(admin.create_partitions([NewPartitions(requests, 5)])[requests])
    await make_anew(admin, orders)
    assert sorted(stuck(deployment)) == [
        "account-requests has 5 partitions, 4 were set up: no deadline is enforced",
        "complaints/2 is halted: its stored position is 0, the topic holds offsets 2 to 3",
        *(f"order-status/{number} is halted: the topic was deleted and recreated" for number in range(4)),
    ]


async def test_a_partition_in_which_a_transaction_is_open_is_named(deployment: Deployment) -> None:
    deployment = replace(deployment, environment=deployment.environment | {"STANDING_CLOCK": "wall"})
    left_open(
        deployment.environment["STANDING_KAFKA_BOOTSTRAP"], deployment.prefix, deployment.prefix + "order-status"
    )
    assert [line for line in stuck(deployment) if not line.endswith("does ingest run?")] == [
        "order-status/0 was never read to its end; a transaction is open there, see `kafka-transactions.sh`"
    ]
