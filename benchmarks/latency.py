"""Deadlines at one midnight, a company of many accounts, idle latency, and the way back after a kill -9."""

import os
import signal
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer, Producer

from benchmarks.deployment import Deployment, enrolments, read_until, value
from workers.devservers.stack import LocalServers

ENROLLED = "2016-03-01T10:00:00+08:00"
"""Suspended on 29 August 2016 at 00:00 in Shanghai, where no order comes."""


def _clock(deployment: Deployment, when: str) -> None:
    """One later fact of an account that no other measure uses: the present, and the watermark, move up to it."""
    deployment.send(iter([("order-status", "clock", _order("clock", when))]))


def _order(account: str, when: str) -> bytes:
    return value(
        event_id=f"{account}-{when}", order_id=f"{account}-{when}", account_id=account, status="awaiting_shipment",
        occurred_at=when,
    )  # fmt: skip


def suspensions(servers: LocalServers, count: int) -> float:
    """Suspensions a second: decided, stored and read back, from the fact that lets their midnight pass."""
    deployment = Deployment(servers, "midnight")
    deployment.set_up()
    sellers = [f"seller-{number:06d}" for number in range(count)]
    with deployment.running("workers.cli", "work"):
        deployment.send(enrolments(sellers, sellers, ENROLLED))
        deployment.run("workers.cli", "drain", "--timeout", "300")
        _clock(deployment, "2016-08-28T23:00:00+08:00")
        deployment.run("workers.cli", "drain", "--timeout", "300")
        reader = deployment.reader("suspensions")
        began = time.monotonic()
        _clock(deployment, "2016-08-29T01:00:00+08:00")
        found = read_until(reader, "account_suspended", count, 120)
        reader.close()
    assert len(found) == count, f"only {len(found)} of {count} suspensions were read"
    return count / (found[-1] - began)


def company(servers: LocalServers, count: int) -> tuple[float, float]:
    """Seconds from a case to the first and to the last termination read, of a company of `count` accounts."""
    deployment = Deployment(servers, "company", "wall")
    deployment.set_up()
    sellers = [f"seller-{number:06d}" for number in range(count)]
    with deployment.running("workers.cli", "work"):
        now = datetime.now(UTC).isoformat()
        deployment.send(enrolments(sellers, ["one"] * count, now))
        deployment.run("workers.cli", "drain", "--timeout", "300")
        reader = deployment.reader("account-terminations")
        case = value(
            event_id="c1", case_id="k1", account_id=sellers[0], source="platform_inspection",
            category="refusal_of_trade_assurance", outcome="upheld", occurred_at=datetime.now(UTC).isoformat(),
        )  # fmt: skip
        producer = deployment.producer(linger_milliseconds=0)
        producer.list_topics(timeout=10)  # connected, as a service that sends a case is
        began = time.monotonic()
        producer.produce(deployment.prefix + "complaints", case, sellers[0])
        found = read_until(reader, "account_terminated", count, 120)
        reader.close()
    assert len(found) == count, f"only {len(found)} of {count} terminations were read"
    return found[0] - began, found[-1] - began


def idle(servers: LocalServers, samples: int) -> tuple[float, float, float]:
    """Milliseconds from a fact produced to its decision read (p50, p99), and seconds until the first after a kill."""
    deployment = Deployment(servers, "idle", "wall")
    deployment.set_up()
    took: list[float] = []
    with deployment.running("workers.cli", "work") as supervisor:
        deployment.run("workers.cli", "drain", "--timeout", "60")
        reader, producer = deployment.reader("restorations"), deployment.producer(linger_milliseconds=0)
        for number in range(samples + 10):
            took.append(_one(deployment, producer, reader, f"seller-{number}"))
        back = _after_a_kill(deployment, producer, reader, supervisor)
        reader.close()
    settled = sorted(took[10:])
    return statistics.median(settled) * 1000, settled[int(len(settled) * 0.99)] * 1000, back


def _one(deployment: Deployment, producer: Producer, reader: Consumer, account: str) -> float:
    topic, key, content = next(enrolments([account], [account], datetime.now(UTC).isoformat()))
    began = time.monotonic()
    producer.produce(deployment.prefix + topic, content, key)
    producer.flush()
    found = read_until(reader, "account_enrolled", 1, 30)
    assert found, f"the enrolment of {account} was not read back"
    return found[0] - began


def _after_a_kill(
    deployment: Deployment, producer: Producer, reader: Consumer, supervisor: subprocess.Popen[bytes]
) -> float:
    for child in Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split():
        if Path(f"/proc/{child}/cmdline").read_bytes().endswith(b"\0ingest\0"):
            os.kill(int(child), signal.SIGKILL)
    return _one(deployment, producer, reader, "after-the-kill")
