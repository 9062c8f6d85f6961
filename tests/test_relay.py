"""What a relay does before it publishes: it believes a mark only where no transaction of its own is open any more."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from workers import relay
from workers.kafka.last_record import LeftOpen
from workers.kafka.transactional_producer import PublishError, TransactionalProducer
from workers.marks import Mark
from workers.ops.health import Vitals
from workers.relay import Shard, run
from workers.store.listener import Listener
from workers.store.postgres import Store

INCARNATION = UUID(int=1)


@dataclass
class PlayedProducer:
    """A producer whose older transaction is open until it is ended; `stays` where even that does not help."""

    stays: bool = False
    calls: list[Any] = field(default_factory=list)
    ended: bool = False

    async def open(self) -> None:
        self.calls.append("open")

    async def last_value(self, topic: str, partition: int) -> bytes:
        self.calls.append("last_value")
        if not self.ended or self.stays:
            raise LeftOpen(f"{topic}/{partition}")
        return Mark(7, b"hash", INCARNATION).encode()

    async def close(self) -> None:
        self.calls.append("close")

    async def end_what_is_open(self, topics: Sequence[str], *places: tuple[str, int]) -> None:
        self.calls.append((topics, *places))
        self.ended = True


def shard(producer: PlayedProducer) -> Shard:
    async def log_row_hash(shard: int, seq: int) -> bytes:
        return b"hash"

    store = cast("Store", SimpleNamespace(log_row_hash=log_row_hash, pool=None))
    played = cast("TransactionalProducer", producer)
    return Shard(2, store, played, INCARNATION, "", "marks", ["suspensions"])


async def test_what_kafka_left_open_is_aborted_wherever_it_may_be_before_the_mark_is_believed() -> None:
    opened = shard(producer := PlayedProducer())
    await opened.open()
    assert opened.seq == 7
    everywhere = (["suspensions"], ("marks", 2))
    assert producer.calls == ["open", "last_value", everywhere, "last_value"]


async def test_a_mark_that_stays_hidden_is_not_believed() -> None:
    opened = shard(PlayedProducer(stays=True))
    with pytest.raises(LeftOpen):
        await opened.open()
    assert opened.seq == 0


async def no_room_to_make(pool: object) -> int:
    return 0


async def test_a_relay_that_kafka_lets_open_no_transaction_is_not_ready_and_blames_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on one broker that keeps its transactions three times: it has no coordinator for them."""
    refused, stop = shard(producer := PlayedProducer()), asyncio.Event()
    vitals = Vitals(("database", "kafka"))

    async def fail() -> None:
        stop.set()
        raise PublishError("producer standing-relay-2: no coordinator")

    producer.open = fail  # type: ignore[method-assign]
    bells = cast("Listener", SimpleNamespace(bell=lambda: None))
    monkeypatch.setattr(relay, "make_room", no_room_to_make)
    await run([refused], bells, vitals, stop)
    vitals.answered("kafka")  # the brokers answer what else they are asked
    assert vitals.unready() == ["without shard 2", "Kafka: producer standing-relay-2: no coordinator"]
