"""A transactional producer opened for a test, and what a reader sees of its transactions."""

import contextlib
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.broker import Message, stable_ends
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import TransactionalProducer


@contextlib.asynccontextmanager
async def opened(kafka: KafkaAccess, identity: str) -> AsyncIterator[TransactionalProducer]:
    producer = TransactionalProducer(kafka, identity)
    try:
        await producer.open()
        yield producer
    finally:
        await producer.close()


async def read_all(bootstrap: str, topic: str) -> dict[int, list[Message]]:
    """Everything that a `read_committed` reader sees, by partition."""
    ends = await stable_ends(bootstrap, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    found: dict[int, list[Message]] = {number: [] for number in ends}
    await consumer.start()
    try:
        for number, end in ends.items():
            place = TopicPartition(topic, number)
            consumer.assign([place])
            consumer.seek(place, 0)
            while await consumer.position(place) < end:
                records = (await consumer.getmany(timeout_ms=100)).get(place, [])
                found[number] += [(each.key, each.value, list(each.headers)) for each in records]
    finally:
        await consumer.stop()
    return found
