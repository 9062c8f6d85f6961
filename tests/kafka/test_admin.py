"""Topics and offsets on a real broker."""

import asyncio
import os
import re

import pytest

from tests.support.broker import Servers, delete_topic, make_topic, numbered, produce, stable_ends, transaction
from workers.kafka import admin
from workers.kafka.admin import (
    Admin,
    KafkaUnreachable,
    TopicMismatch,
    TopicMissing,
    TopicSpec,
    cluster_id,
    end_offsets,
    ensure_topics,
)
from workers.kafka.security import KafkaAccess
from workers.kafka.topic_settings import Needed

COMPACTED = Needed("cleanup.policy", "compact", "it is asked for")
NOBODY = KafkaAccess("127.0.0.1:1")


async def test_missing_topics_are_created_and_answer_immediately(servers: Servers) -> None:
    name = f"new{os.urandom(4).hex()}"
    specs = [TopicSpec(f"{name}-a", 4, [COMPACTED]), TopicSpec(f"{name}-b", 2)]
    assert await ensure_topics(servers.access, specs) == [f"{name}-a", f"{name}-b"]
    ends = await end_offsets(Admin(servers.access), [f"{name}-a", f"{name}-b"])
    assert ends == {
        (f"{name}-{which}", number): 0 for which, count in (("a", 4), ("b", 2)) for number in range(count)
    }


async def test_what_exists_as_it_should_is_left_alone(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap, 2, cleanup_policy="compact")
    assert await ensure_topics(servers.access, [TopicSpec(topic, 2, [COMPACTED])]) == []


async def test_every_mismatch_is_named_and_nothing_is_created(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap, 2, cleanup_policy="delete")
    specs = [TopicSpec(topic, 3, [COMPACTED]), TopicSpec(f"{topic}-other", 1)]
    with pytest.raises(TopicMismatch) as raised:
        await ensure_topics(servers.access, specs)
    change = f"--alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
    wrong = f"topic {topic} has cleanup.policy=delete, not compact: it is asked for"
    assert raised.value.args == (
        f"topic {topic} has 2 partitions, not 3",
        f"{wrong}; kafka-configs.sh --bootstrap-server ... {change}",
    )
    assert await Admin(servers.access).describe([f"{topic}-other"]) == {}


async def test_the_end_is_the_last_stable_offset(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    produce(servers.bootstrap, topic, numbered(0, 3))
    with transaction(servers.bootstrap, topic, commit=False) as producer:
        producer.produce(topic, b"open", partition=0)
        producer.flush(10)
        assert await end_offsets(Admin(servers.access), [topic]) == {(topic, 0): 3}
    assert await stable_ends(servers.bootstrap, topic) == {0: 5}  # the record and the abort's marker


async def test_a_missing_topic_is_named_and_not_created(servers: Servers) -> None:
    with pytest.raises(TopicMissing, match="these topics do not exist: absent"):
        await end_offsets(Admin(servers.access), ["absent"])
    assert await Admin(servers.access).describe(["absent"]) == {}


async def test_a_recreated_topic_has_another_id(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap, 2)
    admin = Admin(servers.access)
    before = (await admin.describe([topic]))[topic]
    delete_topic(servers.bootstrap, topic)
    while topic in await admin.describe([topic]):
        pass
    await make_topic(servers.bootstrap, 2, topic)
    after = (await admin.describe([topic]))[topic]
    assert (after.partitions, after.topic_id != before.topic_id) == (2, True)


async def test_the_cluster_id_is_the_same_each_time(servers: Servers) -> None:
    first = await cluster_id(servers.access)
    assert first
    assert await cluster_id(servers.access) == first


async def test_no_broker_is_one_clear_error_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "REQUEST_SECONDS", 0.5)
    async with asyncio.timeout(60):
        with pytest.raises(KafkaUnreachable, match=re.escape(f"Kafka at {NOBODY} cannot be reached")):
            await cluster_id(NOBODY)
