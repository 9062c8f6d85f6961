"""Kafka's topics and offsets as an operator sees them: create, check, count, look up.

Owns no data of the engine and consumes nothing but single records by their place. The invariant: every call
answers, or raises `KafkaUnreachable` or `KafkaRefused`, within `LIMIT_SECONDS`, and offsets are those of a
`read_committed` reader.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from workers.kafka.security import KafkaAccess
from workers.ops.refused import Refused

LIMIT_SECONDS = 10.0
"""The longest that a call waits for the brokers."""
READY_SECONDS = 30.0
"""The longest that `ensure_topics` waits until every partition of a new topic answers."""
_RETRY_SECONDS = 0.05

Partition = tuple[str, int]
Answer = TypeVar("Answer")


class KafkaUnreachable(Exception):
    """No broker answered in time."""

    server = "Kafka"


class KafkaRefused(Refused):
    """The brokers' certificate or our proof of who we are was not accepted, or we may not do it."""


class TopicMissing(Refused):
    """A topic that should exist does not."""


class TopicMismatch(Refused):
    """A topic exists, but not as the deployment needs it."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the deployment needs it; replication is the brokers' default."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the brokers have it; a topic made anew under an old name has another id."""

    topic_id: str
    partitions: int


class Admin:
    """A connection for questions, kept open by whoever asks often; its threads are librdkafka's."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._heard: dict[int, str] = {}
        self._client = AdminClient(
            {
                "error_cb": self._hear,  # type: ignore[dict-item]  # the stubs know of no callbacks
                "socket.timeout.ms": int(LIMIT_SECONDS * 1000),
                "log_level": 0,  # what fails is raised; the library would print it besides
                **kafka.librdkafka(),
            }
        )

    async def cluster_id(self) -> str:
        """The id of the cluster, the same for all its brokers."""
        future = self._client.describe_cluster(request_timeout=LIMIT_SECONDS)
        return str((await self._answer(future)).cluster_id)

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        """The topics that exist, as the brokers say now; a missing one is left out, and never created."""
        if not topics:
            return {}
        futures = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=LIMIT_SECONDS)
        found: dict[str, TopicState] = {}
        for name, future in futures.items():
            try:
                state = await self._answer(future)
            except KafkaException as error:
                if code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise
            found[name] = TopicState(str(state.topic_id), len(state.partitions))
        return found

    async def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The last stable offset of each partition, by requests sent after this call."""
        return await self._offsets(partitions, OffsetSpec.latest())

    async def high_watermarks(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The end of each partition with what open transactions have sent, by requests sent after this call."""
        return await self._offsets(partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)

    async def start_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that each partition still has."""
        return await self._offsets(partitions, OffsetSpec.earliest())

    async def cleanup_policy(self, topic: str) -> str:
        """What `cleanup.policy` is in force for a topic."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        future = self._client.describe_configs([resource], request_timeout=LIMIT_SECONDS)[resource]
        return str((await self._answer(future))["cleanup.policy"].value)

    async def create(self, spec: TopicSpec) -> bool:
        """Create a topic; False where another was quicker."""
        wanted = NewTopic(spec.name, num_partitions=spec.partitions, config=dict(spec.config))
        futures = self._client.create_topics([wanted], operation_timeout=LIMIT_SECONDS, request_timeout=LIMIT_SECONDS)
        try:
            await self._answer(futures[spec.name])
        except KafkaException as error:
            if code(error) == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise
        return True

    async def _offsets(
        self,
        partitions: Sequence[Partition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> Mapping[Partition, int]:
        if not partitions:
            return {}
        futures = self._client.list_offsets(
            {TopicPartition(topic, partition): spec for topic, partition in partitions},
            isolation_level=isolation,
            request_timeout=LIMIT_SECONDS,
        )
        return {
            (asked.topic, asked.partition): (await self._answer(future)).offset for asked, future in futures.items()
        }

    async def _answer(self, future: "Future[Answer]") -> Answer:
        """Wait for an answer of the library's threads; silence is `KafkaUnreachable`, or `KafkaRefused`."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS + 1):
                answer = await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise self._silent("no answer") from error
        except KafkaException as error:
            if code(error) in _SILENCE:
                raise self._silent(str(error.args[0].str())) from error
            if code(error) in _FORBIDDEN:
                raise KafkaRefused(f"Kafka at {self._kafka} does not allow it: {error.args[0].str()}") from error
            raise
        self._client.poll(0)  # the library keeps what went wrong meanwhile until it is asked
        self._heard.clear()
        return answer

    def _hear(self, error: KafkaError) -> None:
        """Called by `poll`: why no broker answers is said here and nowhere else."""
        self._heard[int(error.code())] = str(error.str())

    def _silent(self, why: str) -> KafkaUnreachable | KafkaRefused:
        self._client.poll(0)
        heard, self._heard = self._heard, {}
        for number in _REFUSALS:
            if number in heard:
                return KafkaRefused(f"Kafka at {self._kafka} does not let us in: {heard[number]}")
        if set(heard) == {KafkaError._ALL_BROKERS_DOWN}:
            why = "it ends every connection at once; does STANDING_KAFKA_SECURITY_PROTOCOL fit this address?"
        else:
            why = heard.get(KafkaError._TRANSPORT, why)
        return KafkaUnreachable(f"Kafka at {self._kafka} cannot be reached: {why}")


_SILENCE = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}
)
_REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL)
_FORBIDDEN = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_NOT_YET = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_LEADER_EPOCH,  # the broker that answers has not heard of its leadership yet
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._NOENT,  # no leader of any partition is known yet
    }
)


def code(error: KafkaException) -> int:
    """The number of the library's error."""
    return int(error.args[0].code())


async def cluster_id(kafka: KafkaAccess) -> str:
    """The id of the cluster; raises KafkaUnreachable."""
    return await Admin(kafka).cluster_id()


async def ensure_topics(kafka: KafkaAccess, specs: Sequence[TopicSpec]) -> Sequence[str]:
    """Create what is missing, check what exists, and wait until every partition answers.

    Returns the names of the topics created. Raises TopicMismatch before anything is created, KafkaUnreachable.
    """
    admin = Admin(kafka)
    existing = await admin.describe([spec.name for spec in specs])
    wrong = [
        problem
        for spec in specs
        if spec.name in existing
        for problem in await _problems(admin, spec, existing[spec.name])
    ]
    if wrong:
        raise TopicMismatch("; ".join(wrong))
    missing = [spec for spec in specs if spec.name not in existing]
    outcomes = await asyncio.gather(*(admin.create(spec) for spec in missing))
    await _wait_until_ready(kafka, specs)
    return [spec.name for spec, created in zip(missing, outcomes, strict=True) if created]


async def existing(admin: Admin, topics: Sequence[str]) -> Mapping[str, TopicState]:
    """The topics as the brokers say now; raises TopicMissing, KafkaUnreachable."""
    states = await admin.describe(topics)
    absent = [topic for topic in topics if topic not in states]
    if absent:
        raise TopicMissing(f"these topics do not exist: {', '.join(absent)}")
    return states


async def end_offsets(kafka: KafkaAccess, topics: Sequence[str]) -> Mapping[Partition, int]:
    """The last stable offset of every partition of the topics; raises TopicMissing, KafkaUnreachable."""
    admin = Admin(kafka)
    states = await existing(admin, topics)
    return await admin.end_offsets(
        [(topic, number) for topic in topics for number in range(states[topic].partitions)]
    )


async def _problems(admin: Admin, spec: TopicSpec, state: TopicState) -> list[str]:
    found = []
    if state.partitions != spec.partitions:
        found.append(f"topic {spec.name} has {state.partitions} partitions, not {spec.partitions}")
    wanted = spec.config.get("cleanup.policy")
    policy = await admin.cleanup_policy(spec.name)
    if wanted is not None and policy != wanted:
        found.append(f"topic {spec.name} has cleanup.policy={policy}, not {wanted}")
    return found


async def _wait_until_ready(kafka: KafkaAccess, specs: Sequence[TopicSpec]) -> None:
    """Wait until each partition has a leader that answers for its offsets.

    Each try asks by a new connection: librdkafka remembers that a topic was unknown.
    """
    partitions = [(spec.name, number) for spec in specs for number in range(spec.partitions)]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while True:
        try:
            await Admin(kafka).end_offsets(partitions)
            break
        except KafkaException as error:
            if code(error) not in _NOT_YET:
                raise
            if loop.time() > deadline:
                raise KafkaUnreachable(f"new topics do not answer: {error.args[0].str()}") from error
            await asyncio.sleep(_RETRY_SECONDS)  # the broker offers nothing to wait on
