"""Redrive on a real database, Kafka played by the test: what is sent, what is marked, and never the one alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from tests.support.database_deployment import DatabaseDeployment, deployed
from tests.support.played_consumer import ORDERS, PLACES, SAMPLE, PlayedConsumer, fetch, ingest, orders, process
from workers import timeouts
from workers.commands import redrive
from workers.commands.redrive import ORIGIN, Selection, outgoing
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import Outgoing, PublishError
from workers.wiring import Database, Kafka

LETTER = {"topic": "complaints", "partition": 3, "offset": 7, "key": None, "value": "e30=", "reason": "invalid_json"}


@dataclass
class PlayedProducer:
    """A double of Kafka that records what was published, or refuses it."""

    kafka: KafkaAccess
    transactional_id: str
    published: ClassVar[list[Outgoing]] = []
    refuses: ClassVar[bool] = False
    opened: bool = field(default=False)

    async def open(self) -> None:
        self.opened = True

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        assert self.opened
        await asyncio.sleep(0.05)  # another redrive of the same must wait
        if self.refuses:
            raise PublishError("refused")
        self.published.extend(messages)

    async def close(self) -> None:
        self.opened = False


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> type[PlayedProducer]:
    monkeypatch.setattr(redrive, "TransactionalProducer", PlayedProducer)
    monkeypatch.setattr(PlayedProducer, "published", [])
    monkeypatch.setattr(PlayedProducer, "refuses", False)
    return PlayedProducer


@asynccontextmanager
async def with_letters(url: str, kinds: str) -> AsyncIterator[tuple[DatabaseDeployment, tuple[Database, Kafka]]]:
    """A deployment that has read orders, good ones (`.`) and bad ones (`x`)."""
    async with deployed(url, SAMPLE) as deployment:
        worker = ingest(deployment, PlayedConsumer())
        await worker.loop.assigned(PLACES)
        await process(worker, fetch(worker, ORDERS, orders(kinds)))
        database = SimpleNamespace(pool=deployment.pool)
        brokers = SimpleNamespace(access=KafkaAccess(""), prefix="p.")
        yield deployment, (cast("Database", database), cast("Kafka", brokers))


def offsets(messages: Sequence[Outgoing]) -> list[Any]:
    """The dead letters that messages came from."""
    return [dict(each.headers)[ORIGIN] for each in messages]


async def test_two_concurrent_redrives_send_each_letter_once(database_url: str, kafka: type[PlayedProducer]) -> None:
    async with with_letters(database_url, ".x.xx") as (_, made):
        places = [f"order-status/1/{offset}" for offset in (1, 3, 4)]
        selections = [
            Selection(places=places),
            Selection(reasons=["invalid_message"]),
            Selection(topics=["order-status"]),
        ]
        done = await asyncio.gather(*(redrive.redrive(*made, selection) for selection in selections))
        assert sorted(offsets(kafka.published)) == [place.encode() for place in places]
        assert sum(each.sent for each in done) == 3
        again = await redrive.redrive(*made, Selection(places=places))
        assert (again.sent, again.already) == (0, places)
        assert (await redrive.redrive(*made, Selection())).sent == 0
        assert len(kafka.published) == 3


async def test_what_kafka_refused_is_sent_by_the_next_redrive(
    database_url: str, kafka: type[PlayedProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_letters(database_url, "x.") as (deployment, made):
        monkeypatch.setattr(kafka, "refuses", True)
        with pytest.raises(PublishError):
            await redrive.redrive(*made, Selection())
        assert await deployment.pool.fetchval("select count(*) from redriven") == 0
        monkeypatch.setattr(kafka, "refuses", False)
        assert (await redrive.redrive(*made, Selection())).sent == 1
        assert offsets(kafka.published) == [b"order-status/1/0"]
        assert kafka.published[0].topic == "p.order-status"
        assert kafka.published[0].partition == 1


@pytest.mark.parametrize(("kept", "chunk"), [(6, 500), (5, 1)], ids=["to read the letters", "to send them"])
async def test_a_redrive_that_gets_no_connection_gives_up_and_sends_nothing(
    database_url: str, kafka: type[PlayedProducer], monkeypatch: pytest.MonkeyPatch, kept: int, chunk: int
) -> None:
    monkeypatch.setattr(timeouts, "ACQUIRE_SECONDS", 0.05)
    monkeypatch.setattr(redrive, "CHUNK", chunk)
    async with with_letters(database_url, "x.") as (deployment, made):
        async with AsyncExitStack() as others, asyncio.timeout(10):
            for _ in range(kept):  # of six
                await others.enter_async_context(deployment.pool.acquire(timeout=5))
            with pytest.raises(TimeoutError):
                await redrive.redrive(*made, Selection())
        assert kafka.published == []
        assert (await redrive.redrive(*made, Selection())).sent == 1


async def test_letters_are_chosen_by_reason_topic_and_time(database_url: str, kafka: type[PlayedProducer]) -> None:
    async with with_letters(database_url, "xx") as (deployment, made):
        now = deployment.enforcement.clock.wall()
        for selection in (
            Selection(reasons=["too_large"]),
            Selection(topics=["complaints"]),
            Selection(since=now + 1_000_000),
        ):
            assert (await redrive.redrive(*made, selection)).sent == 0
        found = await redrive.redrive(
            *made, Selection(reasons=["invalid_message", "too_large"], since=now - 60_000_000)
        )
        assert found.sent == len(kafka.published) == 2


def test_a_record_that_was_redriven_before_names_only_its_latest_origin() -> None:
    letter: dict[str, Any] = LETTER | {
        "headers": [{"name": ORIGIN, "value": "Y29tcGxhaW50cy8zLzE="}, {"name": "other", "value": ""}]
    }
    assert outgoing(letter, "") == Outgoing(
        "complaints", None, [("other", b""), (ORIGIN, b"complaints/3/7")], b"{}", 3
    )
