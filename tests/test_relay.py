"""Before a relay publishes: it trusts a checkpoint only while no transaction of its own is open."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from contracts.topics import OUTPUT_TOPICS
from tests.support.played_log import PlayedLog
from workers.checkpoints import Checkpoint, CheckpointLost, SetBack
from workers.kafka.last_record import LeftOpen
from workers.kafka.transactional_producer import Outgoing, PublishError, TransactionalProducer
from workers.ops.health import Vitals
from workers.relay import Opening, Shard, run
from workers.store.listener import Listener

INCARNATION = UUID(int=1)
CHECKPOINT = Checkpoint(7, b"hash", INCARNATION)


@dataclass
class PlayedProducer:
    """A producer whose older transaction is open until it is ended; `stays` where even that does not help."""

    stays: bool = False
    value: bytes | None = CHECKPOINT.encode()
    calls: list[Any] = field(default_factory=list)
    published: list[Outgoing] = field(default_factory=list)
    ended: bool = False

    async def open(self) -> None:
        self.calls.append("open")

    async def last_value(self, topic: str, partition: int) -> bytes | None:
        self.calls.append("last_value")
        if not self.ended or self.stays:
            raise LeftOpen(f"{topic}/{partition}")
        return self.value

    async def close(self) -> None:
        self.calls.append("close")

    async def abort_left_open(self, topics: Sequence[str], *places: tuple[str, int]) -> None:
        self.calls.append((topics, *places))
        self.ended = True

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.published += messages


def shard(producer: PlayedProducer, logged: bytes | None = b"hash", *, lost: bool = False) -> Shard:
    """A shard whose log has this hash at row 7; `lost` where Kafka shows that something was published."""

    async def compare() -> None:
        if lost:
            raise CheckpointLost("lost")

    store = PlayedLog(2, hashes={} if logged is None else {7: logged})
    played = cast("TransactionalProducer", producer)
    return Shard(2, store, played, INCARNATION, "p.", 4, compare)


async def test_what_kafka_left_open_is_aborted_wherever_it_may_be_before_the_checkpoint_is_believed() -> None:
    opened = shard(producer := PlayedProducer())
    await opened.open()
    assert opened.seq == 7
    everywhere = ([f"p.{topic}" for topic in OUTPUT_TOPICS], ("p.standing-relay-checkpoints", 2))
    assert producer.calls == ["open", "last_value", everywhere, "last_value"]


async def test_a_checkpoint_that_stays_hidden_is_not_believed() -> None:
    opened = shard(PlayedProducer(stays=True))
    with pytest.raises(LeftOpen):
        await opened.open()
    assert opened.seq == 0


async def nothing_lost() -> None:
    """Every topic is the one that was set up."""


async def no_room_to_make() -> int:
    return 0


async def test_a_relay_that_cannot_open_a_transaction_is_not_ready_and_names_kafka() -> None:
    """As on one broker that keeps its transactions three times: it has no coordinator for them."""
    refused, stop = shard(producer := PlayedProducer()), asyncio.Event()
    vitals = Vitals(("database", "kafka"))

    async def fail() -> None:
        stop.set()
        raise PublishError("producer standing-relay-2: no coordinator")

    producer.open = fail  # type: ignore[method-assign]
    bells = cast("Listener", SimpleNamespace(bell=lambda: None))
    await run([refused], bells, bells, vitals, stop, nothing_lost, no_room_to_make)
    vitals.answered("kafka")  # the brokers answer what else they are asked
    assert vitals.unready() == ["without shard 2", "Kafka: producer standing-relay-2: no coordinator"]


@pytest.mark.parametrize("logged", [None, b"another"], ids=["is not there", "is another row"])
async def test_a_checkpoint_is_compared_with_the_log_before_anything_is_published(logged: bytes | None) -> None:
    opened = shard(producer := PlayedProducer(ended=True), logged)
    with pytest.raises(SetBack, match="set back to an older state"):
        await opened.open()
    assert (opened.seq, producer.published) == (0, [])


async def test_the_checkpoint_of_another_deployment_is_not_believed() -> None:
    theirs = Checkpoint(7, b"hash", UUID(int=2)).encode()
    with pytest.raises(SetBack, match="of another deployment"):
        await shard(PlayedProducer(ended=True, value=theirs)).open()


NO_CHECKPOINTS = [
    b"no json",
    b"[]",
    b"{}",
    b"null",
    b'{"seq": -1, "hash": "", "incarnation": "%d"}',
    b'{"seq": 7}',
    b"\xff",
]


@pytest.mark.parametrize("value", NO_CHECKPOINTS)
async def test_an_invalid_checkpoint_is_refused_with_a_line_that_says_what_to_do(value: bytes) -> None:
    opened = shard(producer := PlayedProducer(ended=True, value=value))
    with pytest.raises(CheckpointLost, match=r"standing-relay-checkpoints/2 is not a checkpoint.*relay --reconcile"):
        await opened.open()
    assert producer.published == []


async def test_a_first_checkpoint_is_written_before_anything_is_published_and_a_lost_one_is_not_replaced() -> None:
    opened = shard(producer := PlayedProducer(ended=True, value=None))
    await opened.open()
    [first] = producer.published
    assert (first.topic, first.partition) == ("p.standing-relay-checkpoints", 2)
    assert Checkpoint.decode(2, first.value or b"") == Checkpoint(0, b"", INCARNATION)
    with pytest.raises(CheckpointLost):
        await shard(lost := PlayedProducer(ended=True, value=None), lost=True).open()
    assert lost.published == []


async def test_no_shard_publishes_before_each_has_a_checkpoint() -> None:
    opening = Opening({0, 1})
    opening.opened(1)
    opening.opened(1)
    assert not opening.done.is_set()
    opening.opened(0)
    assert opening.done.is_set()
