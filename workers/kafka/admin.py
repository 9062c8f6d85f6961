"""Requests to the brokers: create and check topics, look up offsets, settings and group members.

The invariant: every call answers, or raises `KafkaUnreachable` or `KafkaRefused`, within `timeouts.REQUEST_SECONDS`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from contracts.topics import Partition
from workers.kafka.security import KafkaAccess
from workers.kafka.topic_settings import Findings, Needed, compare
from workers.ops.refused import Refused
from workers.timeouts import REQUEST_SECONDS, TOPICS_READY_SECONDS

_RETRY_SECONDS = 0.05

Answer = TypeVar("Answer")


class KafkaUnreachable(Exception):
    """No broker answered in time."""

    server = "Kafka"


class KafkaRefused(Refused):
    """TLS or authentication failed, or the user lacks a permission."""


class TopicMissing(Refused):
    """A topic that should exist does not."""


class TopicMismatch(Refused):
    """A topic exists, but differs from what the deployment needs."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that the deployment needs; its replication factor is the brokers' default."""

    name: str
    partitions: int
    needed: Sequence[Needed] = ()

    @property
    def config(self) -> dict[str, str]:
        """The settings to create it with."""
        return {each.setting: each.value for each in self.needed}


@dataclass(frozen=True, slots=True)
class TopicState:
    """An existing topic; a recreated topic has another id."""

    topic_id: str
    partitions: int
    replicas: int = 1
    """The smallest number of replicas of a partition."""


class Admin:
    """A connection to the brokers; it uses threads of librdkafka."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self.kafka = kafka
        self._errors: dict[int, str] = {}
        self._client = AdminClient(
            {
                "error_cb": self._note_error,  # type: ignore[dict-item]  # the stubs lack callbacks
                "socket.timeout.ms": int(REQUEST_SECONDS * 1000),
                "log_level": 0,  # errors are raised; the library would also print them
                **kafka.librdkafka(),
            }
        )

    async def cluster_id(self) -> str:
        """The id of the cluster."""
        future = self._client.describe_cluster(request_timeout=REQUEST_SECONDS)
        return str((await self._answer(future)).cluster_id)

    async def describe(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        """The topics that exist now; a missing one is left out and not created."""
        if not topics:
            return {}
        futures = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=REQUEST_SECONDS)
        found: dict[str, TopicState] = {}
        for name, future in futures.items():
            try:
                state = await self._answer(future)
            except KafkaException as error:
                if code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise
            replicas = min(len(each.replicas) for each in state.partitions)
            found[name] = TopicState(str(state.topic_id), len(state.partitions), replicas)
        return found

    async def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The last stable offset of each partition, by requests sent after this call."""
        return await self._offsets(partitions, OffsetSpec.latest())

    async def high_watermarks(
        self, partitions: Sequence[Partition], *, partly: bool = False
    ) -> Mapping[Partition, int]:
        """The high watermark of each partition, which includes open transactions, by requests sent after this call.

        With `partly`, partitions that do not answer are left out; raises if none answers.
        """
        return await self._offsets(partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED, partly=partly)

    async def start_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The first offset that each partition still has."""
        return await self._offsets(partitions, OffsetSpec.earliest())

    async def settings(self, topics: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The effective settings of each topic: its own or the broker's."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        return {each.name: found for each, found in (await self._configs(resources)).items()}

    async def broker_settings(self) -> Mapping[str, str]:
        """The settings of one broker, which all brokers should have."""
        resource = ConfigResource(ResourceType.BROKER, str(min(await self.brokers())))
        return (await self._configs([resource]))[resource]

    async def brokers(self) -> list[int]:
        """The ids of the running brokers."""
        future = self._client.describe_cluster(request_timeout=REQUEST_SECONDS)
        return [node.id for node in (await self._answer(future)).nodes]

    async def _configs(self, resources: list[ConfigResource]) -> Mapping[ConfigResource, Mapping[str, str]]:
        if not resources:
            return {}
        futures = self._client.describe_configs(resources, request_timeout=REQUEST_SECONDS)
        return {
            resource: {name: str(entry.value) for name, entry in (await self._answer(future)).items()}
            for resource, future in futures.items()
        }

    async def fixed_names(self, group: str) -> set[str]:
        """The static member ids (`group.instance.id`) of a consumer group."""
        future = self._client.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)[group]
        return {each.group_instance_id for each in (await self._answer(future)).members if each.group_instance_id}

    async def create(self, spec: TopicSpec) -> bool:
        """Create a topic; False if it exists already."""
        wanted = NewTopic(spec.name, num_partitions=spec.partitions, config=spec.config)
        futures = self._client.create_topics(
            [wanted], operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS
        )
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
        *,
        partly: bool = False,
    ) -> Mapping[Partition, int]:
        if not partitions:
            return {}
        futures = self._client.list_offsets(
            {TopicPartition(topic, partition): spec for topic, partition in partitions},
            isolation_level=isolation,
            request_timeout=REQUEST_SECONDS,
        )
        answers = await asyncio.gather(*map(self._answer, futures.values()), return_exceptions=True)
        failed = [each for each in answers if isinstance(each, BaseException)]
        if failed and not (partly and len(failed) < len(answers)):
            raise failed[0]
        return {
            (asked.topic, asked.partition): answer.offset
            for asked, answer in zip(futures, answers, strict=True)
            if not isinstance(answer, BaseException)
        }

    async def _answer(self, future: "Future[Answer]") -> Answer:
        """Wait for an answer of the library's threads; raises KafkaUnreachable or KafkaRefused."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS + 1):
                answer = await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise self._unreachable("no answer") from error
        except KafkaException as error:
            if code(error) in _UNREACHABLE:
                raise self._unreachable(str(error.args[0].str())) from error
            if code(error) in _FORBIDDEN:
                raise KafkaRefused(f"Kafka at {self.kafka} denies the request: {error.args[0].str()}") from error
            raise
        self._client.poll(0)  # delivers the errors since the last poll
        self._errors.clear()
        return answer

    def _note_error(self, error: KafkaError) -> None:
        """Called by `poll`: only this callback gets the reason why no broker answers."""
        self._errors[int(error.code())] = str(error.str())

    def _unreachable(self, why: str) -> KafkaUnreachable | KafkaRefused:
        self._client.poll(0)
        errors, self._errors = self._errors, {}
        for number in _REFUSALS:
            if number in errors:
                return KafkaRefused(f"Kafka at {self.kafka} refuses the connection: {errors[number]}")
        if set(errors) == {KafkaError._ALL_BROKERS_DOWN}:
            why = "it closes every connection; does STANDING_KAFKA_SECURITY_PROTOCOL fit this address?"
        else:
            why = errors.get(KafkaError._TRANSPORT, why)
        return KafkaUnreachable(f"Kafka at {self.kafka} cannot be reached: {why}")


_UNREACHABLE = frozenset(
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
        KafkaError.UNKNOWN_LEADER_EPOCH,  # the broker does not know yet that it is the leader
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._NOENT,  # no partition has a known leader yet
    }
)


def code(error: KafkaException) -> int:
    """The library's error code."""
    return int(error.args[0].code())


async def cluster_id(kafka: KafkaAccess) -> str:
    """The id of the cluster; raises KafkaUnreachable."""
    return await Admin(kafka).cluster_id()


async def ensure_topics(kafka: KafkaAccess, specs: Sequence[TopicSpec]) -> Sequence[str]:
    """Check existing topics, create missing ones, and wait until every partition answers.

    Returns the names of the created topics. Raises KafkaUnreachable, and TopicMismatch before anything is created.
    """
    admin = Admin(kafka)
    existing = await admin.describe([spec.name for spec in specs])
    wrong = [
        f"topic {spec.name} has {existing[spec.name].partitions} partitions, not {spec.partitions}"
        for spec in specs
        if spec.name in existing and existing[spec.name].partitions != spec.partitions
    ]
    wrong += (await compare_settings(admin, specs)).broken
    if wrong:
        raise TopicMismatch(*wrong)
    missing = [spec for spec in specs if spec.name not in existing]
    outcomes = await asyncio.gather(*(admin.create(spec) for spec in missing))
    await _wait_until_ready(kafka, specs)
    return [spec.name for spec, created in zip(missing, outcomes, strict=True) if created]


async def existing(admin: Admin, topics: Sequence[str]) -> Mapping[str, TopicState]:
    """The topics as they are now; raises TopicMissing, KafkaUnreachable."""
    states = await admin.describe(topics)
    absent = [topic for topic in topics if topic not in states]
    if absent:
        raise TopicMissing(f"these topics do not exist: {', '.join(absent)}")
    return states


async def end_offsets(admin: Admin, topics: Sequence[str]) -> Mapping[Partition, int]:
    """The last stable offset of every partition of the topics; raises TopicMissing, KafkaUnreachable."""
    states = await existing(admin, topics)
    return await admin.end_offsets(
        [(topic, number) for topic in topics for number in range(states[topic].partitions)]
    )


async def compare_settings(admin: Admin, specs: Sequence[TopicSpec]) -> Findings:
    """The findings about the settings of existing topics; raises KafkaUnreachable, KafkaRefused."""
    states = await admin.describe([spec.name for spec in specs])
    settings, brokers = await admin.settings(list(states)), len(await admin.brokers())
    findings = Findings()
    for spec in specs:
        if (state := states.get(spec.name)) is None:
            continue
        for refused, line in compare(spec.name, spec.needed, settings[spec.name], state.replicas, brokers):
            (findings.broken if refused else findings.warnings).append(line)
    return findings


async def _wait_until_ready(kafka: KafkaAccess, specs: Sequence[TopicSpec]) -> None:
    """Wait until each partition has a leader that answers.

    Each try uses a new connection, because librdkafka caches that a topic is unknown.
    """
    partitions = [(spec.name, number) for spec in specs for number in range(spec.partitions)]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TOPICS_READY_SECONDS
    while True:
        try:
            await Admin(kafka).end_offsets(partitions)
            break
        except KafkaException as error:
            if code(error) not in _NOT_YET:
                raise
            if loop.time() > deadline:
                raise KafkaUnreachable(f"new topics do not answer: {error.args[0].str()}") from error
            await asyncio.sleep(_RETRY_SECONDS)  # the brokers have no event to wait for
