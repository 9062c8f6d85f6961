"""Deadlines at one midnight, a company of many accounts, and the time until one fact is decided."""

import asyncio
import os
import signal
import statistics
import time
from datetime import UTC, datetime

from confluent_kafka import Consumer, Producer
from rich.console import Console
from rich.table import Table

from benchmarks import handwritten
from benchmarks.deployment import PARTITIONS, Deployment, read_until
from benchmarks.measure import Figure, cpu_seconds, workers_of
from benchmarks.messages import Message, enrolment, enrolments, order, seller, value
from workers.devservers.stack import LocalServers
from workers.relay import partition_of

ROUNDS = 2
BEFORE_MIDNIGHT = "2016-08-28T23:00:00+08:00"
AFTER_MIDNIGHT = "2016-08-29T01:00:00+08:00"
"""The midnight at which `benchmarks.messages.enrolments` are suspended."""
UPDATES = "select n_tup_upd from pg_stat_user_tables where relname = 'positions'"


def suspensions(console: Console, servers: LocalServers, count: int) -> list[Figure]:
    """Suspensions a second of the engine and of the hand-written loop, in turn."""
    rates: dict[str, list[float]] = {"engine": [], "hand-written loop": []}
    for number in range(ROUNDS):
        systems = [("engine", _engine_suspends), ("hand-written loop", _loop_suspends)]
        for name, measure in systems if number % 2 == 0 else systems[::-1]:
            with console.status(f"{count:,} deadlines at one midnight, {name}"):
                rates[name].append(measure(servers, f"midnight{number}", count))
    engine, loop = rates.values()
    ratio = statistics.median(one / other for one, other in zip(engine, loop, strict=True))
    rate, of_loop = statistics.median(engine), statistics.median(loop)
    return [Figure("suspensions at one midnight", rate, "a second", at_least=10_000, loop=of_loop, ratio=ratio)]


def _engine_suspends(servers: LocalServers, name: str, count: int) -> float:
    """From the fact that lets the midnight pass to the last suspension that is read."""
    deployment = Deployment(servers, name)
    deployment.set_up()
    with deployment.running("workers.cli", "work"):
        deployment.send(enrolments(count, members=1))
        _drain(deployment)
        deployment.send([_clock(BEFORE_MIDNIGHT)])
        _drain(deployment)
        reader = deployment.reader("suspensions")
        began = time.monotonic()
        deployment.send([_clock(AFTER_MIDNIGHT)])
        return count / (_last_read(reader, count) - began)


def _loop_suspends(servers: LocalServers, name: str, count: int) -> float:
    """From the instant of the deadlines to the last message that is read; to the topics of the same deployment."""
    deployment = Deployment(servers, name + "hand")
    deployment.set_up()
    due = asyncio.run(_prepare_deadlines(deployment, count))
    reader = deployment.reader("suspensions")
    with deployment.running("benchmarks.handwritten", "deadlines"):
        return count / (_last_read(reader, count) - time.monotonic() + time.time() - due.timestamp())


async def _prepare_deadlines(deployment: Deployment, count: int) -> datetime:
    connection = await deployment.connect()
    await connection.execute(handwritten.DEADLINES)
    due: datetime = await connection.fetchval(handwritten.FILL_DEADLINES, [seller(number) for number in range(count)])
    await connection.execute("vacuum hand_deadlines")
    await connection.close()
    return due


def _last_read(reader: Consumer, count: int) -> float:
    found = read_until(reader, "account_suspended", count, 120)
    reader.close()
    assert len(found) == count, f"only {len(found)} of {count} suspensions were read"
    return found[-1]


def _clock(when: str) -> Message:
    """A fact of an account that no other measure uses: the present, and the watermark, move up to it."""
    return order("clock", f"clock-{when}", when)


def _drain(deployment: Deployment) -> None:
    deployment.run("workers.cli", "drain", "--timeout", "300")


def company(console: Console, servers: LocalServers, count: int) -> list[Figure]:
    """Figures from a case to the terminations that are read, of a company of `count` accounts."""
    deployment = Deployment(servers, "company", "wall")
    deployment.set_up()
    with console.status(f"company of {count:,}"), deployment.running("workers.cli", "work"):
        deployment.send(enrolments(count, count, datetime.now(UTC).isoformat()))
        _drain(deployment)
        reader = deployment.reader("account-terminations")
        case = value(
            event_id="c1", case_id="k1", account_id=seller(0), source="platform_inspection",
            category="refusal_of_trade_assurance", outcome="upheld", occurred_at=datetime.now(UTC).isoformat(),
        )  # fmt: skip
        producer = deployment.producer(linger_milliseconds=0)
        producer.list_topics(timeout=10)  # connected, as a service that sends a case is
        began = time.monotonic()
        producer.produce(deployment.prefix + "complaints", case, seller(0))
        producer.flush()
        found = read_until(reader, "account_terminated", count, 120)
        reader.close()
    assert len(found) == count, f"only {len(found)} of {count} terminations were read"
    return [
        Figure(f"company of {count:,}: first termination read", (found[0] - began) * 1000, "ms", at_most=50),
        Figure(f"company of {count:,}: last termination read", found[-1] - began, "s", at_most=1),
    ]


def idle(console: Console, servers: LocalServers, samples: int, seconds: int) -> list[Figure]:
    """Figures of an idle deployment: what it costs, one fact at a time, and the first fact after a kill."""
    deployment = Deployment(servers, "idle", "wall")
    deployment.set_up()
    with console.status("idle"), deployment.running("workers.cli", "work") as supervisor:
        _drain(deployment)
        reader, producer = deployment.reader("restorations"), deployment.producer(linger_milliseconds=0)
        took = sorted([_one(deployment, producer, reader, seller(number)) for number in range(samples + 10)][10:])
        costs = asyncio.run(_costs(deployment, supervisor.pid, seconds))
        back = _after_a_kill(deployment, producer, reader, "after-the-kill")
        reader.close()
    table = Table("process", "share of a core", title=f"an idle deployment, over {seconds} s")
    for name, share in costs.items():
        if name != "positions":
            table.add_row(name, f"{share:.1%}")
    console.print(table)
    return [
        Figure("idle: fact produced to decision read, p50", statistics.median(took) * 1000, "ms", at_most=12),
        Figure("idle: fact produced to decision read, p99", took[int(len(took) * 0.99)] * 1000, "ms", at_most=25),
        Figure("next fact decided after kill -9 of ingest", back, "s", at_most=0.8),
        Figure("idle: each ingest, of a core", costs["ingest"] * 100, "%", at_most=1),
        Figure("idle: row versions of positions", costs["positions"], "a second", at_most=8),
    ]


def _one(deployment: Deployment, producer: Producer, reader: Consumer, account: str) -> float:
    topic, key, content = enrolment(account, account, datetime.now(UTC).isoformat())
    began = time.monotonic()
    producer.produce(deployment.prefix + topic, content, key)
    producer.flush()
    found = read_until(reader, "account_enrolled", 1, 30)
    assert found, f"the enrolment of {account} was not read back"
    return found[0] - began


async def _costs(deployment: Deployment, supervisor: int, seconds: int) -> dict[str, float]:
    """The share of a core that each process takes, processes of one name on average, and updates of `positions` a
    second.
    """
    connection = await deployment.connect()
    names = workers_of(supervisor) | {
        supervisor: "supervisor",  # its workers' time is subtracted
        deployment.servers.postgres.pid: "PostgreSQL",
        deployment.servers.kafka.pid: "Kafka",
    }

    async def look() -> dict[str, float]:
        await connection.execute("select pg_stat_clear_snapshot()")
        found = {"positions": float(await connection.fetchval(UPDATES))}
        of = list(names.values())
        for pid, name in names.items():
            found[name] = found.get(name, 0.0) + cpu_seconds(pid) / of.count(name)
        found["supervisor"] -= sum(found[name] * of.count(name) for name in set(workers_of(supervisor).values()))
        return found

    await asyncio.sleep(seconds / 4)  # what the measures before left behind: statistics, lingering fetches
    before = await look()
    await asyncio.sleep(seconds)
    after = await look()
    await connection.close()
    return {name: (after[name] - before[name]) / seconds for name in after}


def _after_a_kill(deployment: Deployment, producer: Producer, reader: Consumer, account: str) -> float:
    """From the kill of the process that reads the account's facts."""
    os.kill(asyncio.run(_owner(deployment, account)), signal.SIGKILL)
    return _one(deployment, producer, reader, account)


async def _owner(deployment: Deployment, account: str) -> int:
    """The process that owns the partition of the registry in which an account's facts are."""
    connection = await deployment.connect()
    number = partition_of(account.encode(), PARTITIONS)
    owner: str = await connection.fetchval(
        "select owner from positions where topic = 'seller-accounts' and partition = $1", number
    )
    await connection.close()
    return int(owner.rpartition(":")[2])
