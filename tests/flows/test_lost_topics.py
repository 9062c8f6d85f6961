"""What the relay writes is lost: its checkpoints, or a whole output topic. Noticed, and put back from the log once.

Owns what is lost in Kafka while the database has everything; tests/flows/test_reconcile.py has the opposite.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.support.broker import delete_topic, make_topic
from tests.support.databases import rows
from tests.support.deployment import Deployment, Published, check_all
from tests.support.facts import case, enrolled, paid
from workers.checkpoints import CHECKPOINTS_TOPIC

SELLERS = [f"seller-{number}" for number in range(12)]
COMMANDS = ("relay", "ingest", "setup", "status")


@pytest.fixture
def drained(deployment: Deployment) -> Deployment:
    """A deployment that published decisions on most topics."""
    deployment.send(
        [*(enrolled(each, "2016-03-01 10:00", each) for each in SELLERS), ("order-status", "x", b"no json")]
    )
    with deployment.working():
        deployment.drain()
        deployment.send([paid("clock", "2016-09-10 00:00")])
        deployment.drain()
        deployment.send([case(SELLERS[0], "2016-09-11 00:00"), paid(SELLERS[1], "2016-08-01 10:00")])
        deployment.drain()
    assert {each.topic for each in deployment.published()} >= {"suspensions", "restorations", "dead-letters"}
    return deployment


def read(deployment: Deployment) -> list[tuple[str, int, str]]:
    """Every message that a subscriber reads, by topic, partition and ce_id, each partition in its order."""
    found = deployment.published()
    return [(each.topic, each.partition, each.headers["ce_id"]) for each in sorted(found, key=place)]


def place(message: Published) -> tuple[str, int]:
    return message.topic, message.partition


def lose(deployment: Deployment, topic: str) -> None:
    """Delete a topic, and wait until no broker knows it."""
    name = deployment.prefix + topic
    bootstrap = deployment.environment["STANDING_KAFKA_BOOTSTRAP"]
    delete_topic(bootstrap, name)
    client = AdminClient({"bootstrap.servers": bootstrap})
    while name in client.list_topics(timeout=10).topics:
        pass  # each asks again


def write_checkpoint(deployment: Deployment, shard: int, value: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    producer.produce(deployment.prefix + CHECKPOINTS_TOPIC, value, str(shard).encode(), shard)
    producer.flush(10)


def refused(deployment: Deployment, command: str, *arguments: str) -> str:
    """The one line of a command that cannot run."""
    done = deployment.standing(command, *arguments, check=False)
    assert done.returncode == 2, f"{command}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()[-1]


async def goes_on(deployment: Deployment, before: Sequence[tuple[str, int, str]]) -> None:
    """Once it was reconciled nothing comes twice, and what is decided from then on comes once."""
    assert "nothing to reconcile" in deployment.standing("relay", "--reconcile").stdout
    assert sorted(read(deployment)) == sorted(before)  # those of two shards may change places
    deployment.send([enrolled("late", "2016-09-12 10:00")])
    with deployment.working():
        deployment.drain()
    after = deployment.published()
    assert sorted(set(read(deployment)) - set(before)) == sorted(
        (each.topic, each.partition, each.headers["ce_id"])
        for each in after
        if each.value.get("account_id") == "late"
    )
    assert len(after) == len(before) + 2
    await check_all(deployment)


async def test_a_checkpoint_topic_that_was_deleted_stops_the_relay_and_is_found_again(drained: Deployment) -> None:
    before = read(drained)
    lose(drained, CHECKPOINTS_TOPIC)
    for command in COMMANDS:
        said = refused(drained, command)
        assert CHECKPOINTS_TOPIC in said, said
        assert "standing relay --reconcile" in said, said
    await make_topic(
        drained.environment["STANDING_KAFKA_BOOTSTRAP"],
        3,
        drained.prefix + CHECKPOINTS_TOPIC,
        cleanup_policy="compact",
    )
    for command in COMMANDS:
        said = refused(drained, command)
        assert CHECKPOINTS_TOPIC in said, said
        assert "standing relay --reconcile" in said, said
    assert read(drained) == before
    done = drained.standing("relay", "--reconcile").stdout
    assert "3 checkpoints restored from the output topics" in done
    await goes_on(drained, before)


@pytest.mark.parametrize("value", [None, b"no json"], ids=["a tombstone", "no checkpoint"])
async def test_a_checkpoint_that_is_gone_or_none_stops_the_relay_and_is_found_again(
    drained: Deployment, value: bytes | None
) -> None:
    before = read(drained)
    write_checkpoint(drained, 1, value)
    for command in COMMANDS:
        said = refused(drained, command)
        assert said.startswith("standing: shard 1: "), said
        assert "standing relay --reconcile" in said, said
    assert "1 checkpoints restored from the output topics" in drained.standing("relay", "--reconcile").stdout
    await goes_on(drained, before)


async def test_an_output_topic_that_was_deleted_is_noticed_and_published_again(
    drained: Deployment, tmp_path: Path
) -> None:
    before = read(drained)
    printed = tmp_path / "printed"
    with printed.open("wb") as log, drained.working("relay", log=log) as relay:
        lose(drained, "suspensions")
        assert relay.wait(60) == 2
    assert (
        printed.read_text().splitlines()[-1].startswith("standing: topic suspensions was deleted since it was set up")
    )
    for command in ("relay", "setup"):
        assert refused(drained, command).startswith("standing: topic suspensions was deleted"), command
    status = drained.standing("status", check=False)
    assert status.returncode == 1
    assert "topic suspensions was deleted since it was set up" in " ".join(status.stdout.split())
    bootstrap = drained.environment["STANDING_KAFKA_BOOTSTRAP"]
    await make_topic(bootstrap, 4, f"{drained.prefix}suspensions", retention_ms="-1", retention_bytes="-1")
    assert "was deleted and recreated" in refused(drained, "relay")
    assert "was deleted and recreated" in refused(drained, "setup")
    drained.send([("suspensions", "a", {"account_id": "a"})])
    assert "suspensions: recreated, and already contains messages" in refused(drained, "relay", "--reconcile")
    lose(drained, "suspensions")
    assert "suspensions" in drained.standing("relay", "--reconcile").stdout
    await goes_on(drained, before)


async def test_before_anything_was_read_setup_makes_a_topic_again(deployment: Deployment) -> None:
    for topic in ("suspensions", "order-status", CHECKPOINTS_TOPIC):
        lose(deployment, topic)
    done = deployment.standing("setup").stdout
    assert sorted(line.removeprefix("created topic ") for line in done.splitlines()) == sorted(
        deployment.prefix + topic for topic in ("suspensions", "order-status", CHECKPOINTS_TOPIC)
    )
    deployment.send([enrolled("a", "2016-03-01 10:00")])
    with deployment.working():
        deployment.drain()
    noted = await rows(
        deployment,
        "select output_topic_ids::jsonb ? 'suspensions', input_topic_ids::jsonb ? 'order-status' from deployment",
    )
    assert noted == [(True, True)]
    await check_all(deployment)
