"""What the tests of workers/kafka do to a real broker: make topics, produce records of any shape."""

import asyncio
import contextlib
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from workers.kafka.admin import Admin, TopicSpec, ensure_topics
from workers.kafka.security import KafkaAccess
from workers.kafka.topic_settings import Needed

Header = tuple[str, bytes]
Message = tuple[bytes | None, bytes | None, Sequence[Header]]

_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_encode,
    "snappy": snappy_encode,
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class Servers(Protocol):
    """The embedded servers, as far as these tests need them."""

    @property
    def bootstrap(self) -> str: ...

    @property
    def access(self) -> KafkaAccess: ...


async def make_topic(bootstrap: str, partitions: int = 1, name: str | None = None, **config: str) -> str:
    """A new topic; dots in the names of its settings are written as underscores."""
    topic = name or f"t{os.urandom(6).hex()}"
    needed = [Needed(setting.replace("_", "."), value, "the test says so") for setting, value in config.items()]
    await ensure_topics(KafkaAccess(bootstrap), [TopicSpec(topic, partitions, needed)])
    return topic


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic; returns when the controller has done so."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.delete_topics([topic], operation_timeout=10)[topic].result(10)


def produce(
    bootstrap: str, topic: str, messages: Sequence[Message], *, partition: int = 0, **options: object
) -> None:
    """Produce outside of any transaction; returns when all were acknowledged."""
    settings = {name.replace("_", "."): value for name, value in options.items()}
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **settings})
    for key, value, headers in messages:
        producer.produce(topic, value, key, partition, headers=list(headers))
    assert producer.flush(20) == 0


def numbered(start: int, end: int) -> list[Message]:
    """Messages whose values count up."""
    return [(b"k%d" % number, b"%d" % number, ()) for number in range(start, end)]


@contextlib.contextmanager
def transaction(bootstrap: str, identity: str, *, commit: bool = True) -> Iterator[Producer]:
    """A Kafka transaction of its own producer, aborted unless `commit`."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": identity, "linger.ms": 0})
    producer.init_transactions(20)
    producer.begin_transaction()
    yield producer
    producer.flush(20)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


async def stable_ends(bootstrap: str, topic: str) -> Mapping[int, int]:
    """The ends of a topic's partitions once no transaction is open: brokers write the markers after they answered."""
    admin = Admin(KafkaAccess(bootstrap))
    partitions = (await admin.describe([topic]))[topic].partitions
    places = [(topic, number) for number in range(partitions)]
    async with asyncio.timeout(20):
        while (ends := await admin.high_watermarks(places)) != await admin.end_offsets(places):
            pass
    return {number: end for (_, number), end in ends.items()}


def left_open(bootstrap: str, identity: str, topic: str) -> None:
    """A transaction whose producer died in it: a record is in the topic, and nobody ends the transaction."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": identity, "linger.ms": 0})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"never committed", partition=0)
    assert producer.flush(20) == 0


async def produce_raw(bootstrap: str, topic: str, raw: bytes, partition: int = 0) -> None:
    """Send a record batch as it is, which client libraries do not."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        request = ProduceRequest(None, -1, 5000, [(topic, [(partition, raw)])])
        response = await client.send(client.get_random_node(), request)
        assert response.topics[0][1][0][1] == 0, response
    finally:
        await client.close()


def batch(codec: str, messages: Sequence[Message], base_offset: int = 0) -> bytes:
    """A record batch as the broker would send it."""
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 1 << 30)
    for offset, (key, value, headers) in enumerate(messages):
        builder.append(offset, 1000 + offset, key, value, list(headers))
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, base_offset)
    return bytes(raw)


def with_broken_name(codec: str, messages: Sequence[Message], name: bytes) -> bytes:
    """A batch in which the first byte of a header's name is not UTF-8, with the right checksum."""
    raw = bytearray(batch("none", messages))
    raw[raw.index(name)] = 0xFF
    if codec != "none":
        raw[61:] = _COMPRESS[codec](bytes(raw[61:]))
        struct.pack_into(">h", raw, 21, CODECS[codec])
        struct.pack_into(">i", raw, 8, len(raw) - 12)
    struct.pack_into(">I", raw, 17, calc_crc32c(bytes(raw[21:])))
    return bytes(raw)
