"""What a worker answers over HTTP, and what it costs its event loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka.errors import KafkaTimeoutError
from confluent_kafka import KafkaError, KafkaException

from workers import timeouts
from workers.checkpoints import NotCompared
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.last_record import NoAnswer
from workers.kafka.transactional_producer import PublishError
from workers.ops import watchdog
from workers.ops.blame import named
from workers.ops.health import PortTaken, Vitals, serving
from workers.ops.metrics import LAG, METRICS, RECORDS, Measured
from workers.store.connections import DatabaseTimeout
from workers.store.postgres import LostOwnership


@asynccontextmanager
async def served(vitals: Vitals, metrics: Measured) -> AsyncIterator[int]:
    """A server on a free port."""
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    taken.close()
    await taken.wait_closed()
    async with serving("127.0.0.1", port, vitals, metrics):
        yield port


async def asked(port: int, request: bytes) -> tuple[int, str, str]:
    """Status, head and body of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: worker\r\nAccept: */*\r\n\r\n".encode()


async def test_a_worker_is_ready_once_its_servers_answered_and_it_has_what_it_needs() -> None:
    vitals, metrics = Vitals(needs=("database", "kafka")), Measured("ingest")
    async with served(vitals, metrics) as port:
        vitals.has("partitions", really=False)
        vitals.answered("database")
        assert (await asked(port, get("/ready")))[::2] == (
            503,
            "kafka has not answered for 30 s\nwithout partitions\n",
        )
        vitals.answered("kafka")
        vitals.has("partitions", really=True)
        assert (await asked(port, get("/ready")))[::2] == (200, "ok\n")


async def test_a_server_that_stops_answering_makes_a_worker_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    vitals = Vitals(needs=("database",))
    vitals.answered("database")
    assert vitals.unready() == []
    later = time.monotonic() + timeouts.READY_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert vitals.unready() == ["database has not answered for 30 s"]


async def test_a_server_is_not_blamed_for_another_that_failed_before_it_was_asked() -> None:
    vitals = Vitals(needs=("database", "kafka"))
    vitals.failed(LostOwnership("another worker owns a partition now"))
    assert vitals.unready() == ["database has not answered for 30 s", "kafka has not answered for 30 s"]
    vitals.has("shard 0", really=False)
    vitals.failed(PublishError("producer standing-relay-0: no coordinator"))
    assert vitals.unready() == [
        "kafka has not answered for 30 s",
        "without shard 0",
        "Kafka: producer standing-relay-0: no coordinator",
    ]
    vitals.failed(asyncpg.CannotConnectNowError("the database system is starting up"))
    assert vitals.unready() == [
        "database has not answered for 30 s",
        "kafka has not answered for 30 s",
        "without shard 0",
        "Kafka: producer standing-relay-0: no coordinator",
        "PostgreSQL: the database system is starting up",
    ]
    vitals.answered("database", "kafka")
    vitals.has("shard 0", really=True)
    assert vitals.unready() == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DatabaseTimeout("PostgreSQL did not answer in time"), "PostgreSQL did not answer in time"),
        (asyncpg.SerializationError("could not serialize"), "PostgreSQL: could not serialize"),
        (NotCompared("marks/0 cannot be read"), "Kafka: marks/0 cannot be read"),
        (NoAnswer("marks/0 cannot be read"), "Kafka: marks/0 cannot be read"),
        (KafkaTimeoutError("no leader told"), "Kafka: KafkaTimeoutError: no leader told"),
        (KafkaException(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR)), "Kafka: KafkaError"),
        (KafkaUnreachable("Kafka at b:1 cannot be reached"), "Kafka at b:1 cannot be reached"),
    ],
)
def test_an_error_names_the_server_that_gave_it(error: Exception, line: str) -> None:
    assert named(error).startswith(line)


async def test_a_worker_with_a_stalled_loop_is_neither_alive_nor_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "ROUND_SECONDS", 0.5)
    with watchdog.Watchdog("the worker", 4) as watching:
        vitals = Vitals(watchdog=watching)
        async with served(vitals, Measured("ingest")) as port:
            vitals.turned("polls")
            vitals.turned("heartbeats")
            assert (await asked(port, get("/live")))[::2] == (200, "ok\n")
            while not vitals.dead():
                vitals.turned("heartbeats")
                await asyncio.sleep(0.1)
            wrong = (503, "polls has made no progress for 2 s\n")
            assert (await asked(port, get("/live")))[::2] == wrong
            assert (await asked(port, get("/ready")))[::2] == wrong


async def test_metrics_are_what_was_counted_and_what_is_measured_when_asked() -> None:
    metrics = Measured("ingest")
    metrics.before_scrape(lambda: metrics.set(LAG, 7, topic="order-status", partition="3"))
    metrics.count(RECORDS, 5)
    async with served(Vitals(), metrics) as port:
        status, head, body = await asked(port, get("/metrics?name=all"))
    assert (status, "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head) == (200, True)
    lines = body.splitlines()
    assert "standing_records_total 5.0" in lines
    assert 'standing_lag_records{partition="3",topic="order-status"} 7.0' in lines
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE standing")}
    assert typed == {each.name for each in METRICS if "ingest" in each.by}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/elsewhere"), 404),
        (b"POST /live HTTP/1.1\r\n\r\n", 405),
        (b"POST /elsewhere HTTP/1.1\r\n\r\n", 404),
        (b"get /live HTTP/1.1\r\n\r\n", 405),
        (b"GET /live\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\xff\xfe\r\n\r\n", 400),
        (b"GET /" + b"x" * 100_000, 400),
        (b"GET /live HTTP/1.1\r\n" + b"A: b\r\n" * 200, 400),
    ],
)
async def test_a_strange_request_gets_an_answer_and_the_next_one_its_own(request_bytes: bytes, status: int) -> None:
    async with served(Vitals(), Measured("ingest")) as port:
        assert (await asked(port, request_bytes))[0] == status
        assert (await asked(port, get("/live")))[0] == 200


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics", "/elsewhere"])
async def test_head_is_answered_as_get_without_the_body(path: str) -> None:
    async with served(Vitals(("kafka",)), Measured("ingest")) as port:
        status, head, body = await asked(port, get(path))
        assert body
        assert await asked(port, b"HEAD" + get(path)[3:]) == (status, head, "")
    assert status == {"/live": 200, "/ready": 503, "/metrics": 200, "/elsewhere": 404}[path]


async def test_a_port_in_use_is_reported_in_one_line() -> None:
    async with served(Vitals(), Measured("ingest")) as port:
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port} of STANDING_METRICS_PORT"):
            async with serving("127.0.0.1", port, Vitals(), Measured("ingest")):
                pass


async def test_a_scrape_of_many_partitions_gives_way_to_others_between_the_metrics() -> None:
    metrics = Measured("ingest")
    for partition in range(100):
        metrics.set(LAG, partition, topic="order-status", partition=str(partition))
    async with served(Vitals(), metrics) as port:
        _, _, body = await asked(port, get("/metrics"))
        lags = [line for line in body.splitlines() if "standing_lag_records" in line]
        assert (len(lags), sum(line.startswith("#") for line in lags)) == (102, 2)
        turns = 0
        scrape = asyncio.create_task(asked(port, get("/metrics")))
        while not scrape.done():
            await asyncio.sleep(0)
            turns += 1
    assert turns > len(METRICS) / 2, "it did not give way"


def test_a_loop_counts_as_dead_at_half_of_the_watchdog_s_time() -> None:
    watching = watchdog.Watchdog("the worker", 120)
    vitals = Vitals(watchdog=watching)
    for stalled, problems in ((59, []), (60, ["polls has made no progress for 60 s"])):
        watching._stalled = {"polls": stalled, "heartbeats": 0}
        assert vitals.dead() == vitals.unready() == problems
