"""One deployment under measurement: its settings, its processes, what it reads and what it publishes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.messages import Message
from workers.devservers.stack import LocalServers

PROJECT = Path(__file__).parents[1]
PARTITIONS = 8


@dataclass(frozen=True, slots=True)
class Deployment:
    """A database and a prefix of their own on the servers of the run."""

    servers: LocalServers
    name: str
    clock: str = "events"

    @property
    def prefix(self) -> str:
        return f"{self.name}."

    @property
    def url(self) -> str:
        return self.servers.postgres.url(self.name)

    @property
    def environment(self) -> dict[str, str]:
        return self.servers.environment | {
            "STANDING_DATABASE_URL": self.url,
            "STANDING_TOPIC_PREFIX": self.prefix,
            "STANDING_PARTITIONS": str(PARTITIONS),
            "STANDING_CLOCK": self.clock,
            "STANDING_ALLOWED_LATENESS_SECONDS": "0",
        }

    def set_up(self) -> None:
        """`standing setup`."""
        self.run("workers.cli", "setup")

    def run(self, module: str, *arguments: str) -> "Ran":
        """Run a module to its end."""
        return run(self.environment, module, *arguments)

    @contextmanager
    def running(self, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the deployment while the block runs; if the block fails, what it logged is printed."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=os.environ | self.environment, cwd=PROJECT, stderr=log
            )
            try:
                yield process
            except BaseException:
                log.seek(0)
                sys.stderr.buffer.write(log.read())
                raise
            finally:
                process.terminate()
                process.wait(30)

    def producer(self, linger_milliseconds: int = 5) -> Producer:
        """A quick producer for the input topics."""
        return Producer(
            {
                "bootstrap.servers": self.servers.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": linger_milliseconds,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
            }
        )

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages and wait until the brokers have them."""
        producer = self.producer()
        for count, (topic, key, value) in enumerate(messages, 1):
            producer.produce(self.prefix + topic, value, key)
            if count % 100_000 == 0:
                producer.flush()
        producer.flush()

    async def connect(self) -> asyncpg.Connection:
        """A connection to the deployment's database."""
        return await asyncpg.connect(self.url)

    def reader(self, topic: str) -> Consumer:
        """A read_committed consumer at the end of an output topic now."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers.bootstrap,
                "group.id": f"{self.name}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        places = []
        for number in range(PARTITIONS):
            place = TopicPartition(self.prefix + topic, number)
            place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
            places.append(place)
        consumer.assign(places)
        consumer.poll(0.2)
        return consumer


@dataclass(frozen=True, slots=True)
class Ran:
    """A process that ended: what it printed, how long it took, and the most memory that it held."""

    output: bytes
    seconds: float
    megabytes: float


def run(environment: Mapping[str, str], module: str, *arguments: str) -> Ran:
    """Run a module to its end; raises CalledProcessError if it fails."""
    began = time.monotonic()
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=os.environ | environment, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return Ran(output, time.monotonic() - began, used.ru_maxrss / 1e3)


def read_until(consumer: Consumer, kind: str, count: int, seconds: float) -> list[float]:
    """The instants (time.monotonic) at which `count` messages of a kind were read; fewer after `seconds`."""
    needle = f'"kind":"{kind}"'.encode()
    found: list[float] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        first = consumer.poll(0.1)  # returns with the message; `consume` would wait for more
        messages = [] if first is None else [first, *consumer.consume(1000, 0)]
        now = time.monotonic()
        found += (now for each in messages if each.error() is None and needle in (each.value() or b""))
    return found


def counted(messages: Iterable[Message], done: Callable[[int], None]) -> Iterator[Message]:
    """The same messages, with the progress told."""
    count = 0
    for count, each in enumerate(messages, 1):
        if count % 10_000 == 0:
            done(count)
        yield each
    done(count)
