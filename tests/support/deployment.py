"""A whole deployment for a test: the real command line on real servers, and what other systems see of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from confluent_kafka import Consumer, Producer, TopicPartition

from contracts.topics import OUTPUT_TOPICS
from tests.support.checker import Verdict, check
from tests.support.forked import Forked
from workers.settings import Settings
from workers.wiring import Database, Kafka, open_database, open_kafka

STANDING = [sys.executable, "-m", "workers.cli"]


@dataclass(frozen=True, slots=True)
class Published:
    """One message as a read_committed reader sees it."""

    topic: str
    partition: int
    key: bytes | None
    headers: Mapping[str, str]
    value: Mapping[str, Any]


@dataclass
class Deployment:
    """One deployment: its settings, its running workers, its topics."""

    environment: dict[str, str]
    program: Path | None = None
    """The directory of another version of the packages, which `standing` then runs."""

    @property
    def prefix(self) -> str:
        return self.environment["STANDING_TOPIC_PREFIX"]

    @property
    def settings(self) -> Settings:
        """The same settings, for what the test does itself."""
        return Settings.of(self.environment)

    def standing(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command of `standing` to its end."""
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        with self.start(*arguments, text=True, **pipes) as process:
            try:
                out, err = process.communicate(timeout=120)
            finally:
                process.kill()  # where it took too long; otherwise it has ended
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    @contextmanager
    def working(self, *arguments: str, log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[Any]]:
        """`standing work`, or another worker, while the block runs; stopped by SIGTERM. Its log may go to a file."""
        process = self.start(*(arguments or ("work",)), stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[Any]:
        """A process of `standing`: forked, unless this deployment is of another interpreter or other packages."""
        environment = os.environ | self.environment
        if self.program is None and not any(name.startswith("PYTHON") for name in self.environment):
            return Forked(arguments, env=environment, **streams)
        return subprocess.Popen([*STANDING, *arguments], env=environment, cwd=self.program, **streams)

    def send(self, messages: Iterable[tuple[str, str | None, bytes | Mapping[str, object] | None]]) -> None:
        """Produce (topic, key, value) in order; a mapping is written as JSON."""
        producer = Producer({**self.settings.kafka.librdkafka(), "linger.ms": 1})
        for topic, key, value in messages:
            raw = json.dumps(value, ensure_ascii=False).encode() if isinstance(value, Mapping) else value
            producer.produce(self.prefix + topic, raw, key)
        producer.flush(30)

    def drain(self) -> None:
        """Wait until everything is decided and visible."""
        self.standing("drain", "--timeout", "60")

    def published(self, topics: Sequence[str] = OUTPUT_TOPICS) -> list[Published]:
        """Every message of the output topics up to their ends now, in the order of each partition."""
        consumer = Consumer(
            {
                **self.settings.kafka.librdkafka(),
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        partitions = int(self.environment["STANDING_PARTITIONS"])
        places = [TopicPartition(self.prefix + topic, each, 0) for topic in topics for each in range(partitions)]
        consumer.assign(places)
        found: list[Published] = []
        open_partitions = len(places)
        while open_partitions:
            message = consumer.poll(10)
            assert message is not None, "the topics were not read to their ends"
            if message.error() is not None:
                open_partitions -= 1
                continue
            headers = {
                name: value.decode() for name, value in cast("list[tuple[str, bytes]]", message.headers() or [])
            }
            topic, partition = (message.topic() or "").removeprefix(self.prefix), message.partition() or 0
            found.append(Published(topic, partition, message.key(), headers, json.loads(message.value() or b"")))
        consumer.close()
        return found


def workers_of(supervisor: int, name: str) -> list[int]:
    """The processes of the workers called `name` among a supervisor's children; another may have ended meanwhile."""
    found = []
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
            if name in (command, Path(f"/proc/{child}/comm").read_text().strip()):
                found.append(int(child))
    return found


async def check_all(deployment: Deployment) -> Verdict:
    """The independent checker finds nothing wrong in the deployment, which is at rest."""
    settings = deployment.settings
    verdict = await check(
        settings.kafka_bootstrap,
        settings.database_url,
        settings.topic_prefix,
        settings.policies,
        settings.clock,
        settings.allowed_lateness_seconds,
        settings.max_record_bytes,
    )
    assert verdict.clean, str(verdict)
    return verdict


def net(messages: Iterable[Published]) -> dict[str, Mapping[str, Any]]:
    """The decisions that stand, by id: those published less those withdrawn."""
    found: dict[str, Mapping[str, Any]] = {}
    for message in sorted(messages, key=lambda each: each.value.get("sequence", 0)):
        if "withdraws" in message.value:
            del found[message.value["withdraws"]]
        elif "decision_id" in message.value:
            assert message.value["decision_id"] not in found
            found[message.value["decision_id"]] = message.value
    return found


def check_promises(messages: Sequence[Published]) -> None:
    """What holds of every output: unique ce_id, gapless sequences, order within a topic."""
    ids = [message.headers["ce_id"] for message in messages]
    assert len(set(ids)) == len(ids)
    sequences: dict[tuple[str, str], list[int]] = {}
    for message in messages:
        if message.topic in ("account-standing", "dead-letters"):
            continue
        of_company = message.topic == "company-terminations"
        subject = message.value["company"]["key"] if of_company else message.value["account_id"]
        sequences.setdefault(("company" if of_company else "account", subject), []).append(message.value["sequence"])
    for subject, found in sequences.items():
        assert sorted(found) == list(range(1, len(found) + 1)), f"{subject}: {sorted(found)}"
    last: dict[tuple[str, str], int] = {}
    for message in messages:
        if message.topic in ("company-terminations", "dead-letters"):
            continue
        place = (message.topic, message.value["account_id"])
        assert message.value["sequence"] >= last.get(place, 0), f"out of order: {message}"
        last[place] = message.value["sequence"]


def refusal(deployment: Deployment, command: str) -> str:
    """The one line that a command says which cannot run."""
    refused = deployment.standing(command, check=False)
    assert refused.returncode == 2, f"{command}: {refused.stderr}"
    return refused.stderr.splitlines()[-1]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, Kafka]]:
    """The database and the brokers of a deployment, as most commands open them."""
    async with open_kafka(settings) as kafka, open_database(settings, "test", kafka=kafka) as database:
        yield database, kafka
