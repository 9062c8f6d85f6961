"""Records of any shape to a partition that the test names, and what stands in an input topic."""

import json
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.support.deployment import Deployment

Value = bytes | Mapping[str, object] | None


def send_to(
    deployment: Deployment,
    topic: str,
    partition: int,
    values: Iterable[Value],
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Produce values to one partition, in order; a mapping is written as JSON."""
    producer = Producer({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"], "linger.ms": 1})
    for value in values:
        raw = json.dumps(value, ensure_ascii=False).encode() if isinstance(value, Mapping) else value
        producer.produce(deployment.prefix + topic, raw, key, partition, headers=list(headers))
    producer.flush(30)


def stored(deployment: Deployment, topic: str, partition: int) -> list[Message]:
    """What a partition of an input topic holds."""
    consumer = Consumer(
        {
            "bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"],
            "group.id": "looks",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(deployment.prefix + topic, partition, 0)])
    found: list[Message] = []
    while True:
        message = consumer.poll(10)
        assert message is not None, "the partition was not read to its end"
        if message.error() is not None:
            consumer.close()
            return found
        found.append(message)
