"""A transaction that the coordinator took for ended and whose markers were never written: its records share the fate
of the next one that the same producer id ends there.

A killed broker leaves one behind now and then (docs/decisions/0013); here it is made, by a record that the
coordinator knows nothing of. Brokers verify that it does, unless they are told not to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.kafka.transactions import opened, read_all
from tests.support.broker import Servers, make_topic
from workers.kafka.admin import Admin
from workers.kafka.last_record import LeftOpen, Record, last_record
from workers.kafka.transactional_producer import Outgoing

CONCURRENT_TRANSACTIONS = 51
VERIFIED = "transaction.partition.verification.enable"


@pytest.fixture
async def unverified(servers: Servers) -> AsyncIterator[None]:
    """The broker takes what a transaction sends where its coordinator knows of none."""
    await verify(servers, "false")
    yield
    await verify(servers, "true")


async def verify(servers: Servers, wanted: str) -> None:
    entry = ConfigEntry(VERIFIED, wanted, incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": servers.bootstrap})
    [broker] = admin.list_topics(timeout=10).brokers
    resource = ConfigResource(ResourceType.BROKER, str(broker), incremental_configs=[entry])
    for altered in admin.incremental_alter_configs([resource]).values():
        await asyncio.wrap_future(altered)


async def leave_behind(servers: Servers, identity: str, places: Sequence[tuple[str, int]], value: bytes) -> None:
    """A record in each partition, of a transaction of this id that is never ended."""
    client = AIOKafkaClient(bootstrap_servers=servers.bootstrap)
    await client.bootstrap()
    try:
        found = await client.send(client.get_random_node(), InitProducerIdRequest(identity, 30_000))
        while found.error_code == CONCURRENT_TRANSACTIONS:  # the markers of the one before are on their way
            found = await client.send(client.get_random_node(), InitProducerIdRequest(identity, 30_000))
        assert found.error_code == 0, found
        for topic, partition in places:
            builder = DefaultRecordBatchBuilder(2, 0, 1, found.producer_id, found.producer_epoch, 0, 1 << 20)
            builder.append(0, int(time.time() * 1000), b"key", value, [])
            request = ProduceRequest(identity, -1, 5000, [(topic, [(partition, bytes(builder.build()))])])
            response = await client.send(client.get_random_node(), request)
            assert response.topics[0][1][0][1] == 0, response
    finally:
        await client.close()


@pytest.mark.usefixtures("unverified")
async def test_what_kafka_left_open_is_published_again_and_seen_once(servers: Servers) -> None:
    topic, checkpoints = await make_topic(servers.bootstrap, 2), await make_topic(servers.bootstrap)
    places = [(topic, 0), (topic, 1), (checkpoints, 0)]

    def publication(value: bytes) -> list[Outgoing]:
        return [Outgoing(name, b"key", (), value, number) for name, number in places]

    async with opened(servers.access, topic) as producer:
        await producer.publish(publication(b"first"))
    await leave_behind(servers, topic, places, b"second")
    assert await last_record(Admin(servers.access), checkpoints, 0) == Record(b"first")
    async with opened(servers.access, topic) as successor:
        with pytest.raises(LeftOpen):
            await successor.last_value(checkpoints, 0)
        await successor.abort_left_open([topic], (checkpoints, 0))
        assert await successor.last_value(checkpoints, 0) == b"first"
        await successor.publish(publication(b"second"))
        assert await successor.last_value(checkpoints, 0) == b"second"
    for name in (topic, checkpoints):
        for records in (await read_all(servers.bootstrap, name)).values():
            assert [value for _, value, _ in records] == [b"first", b"second"]


@pytest.mark.usefixtures("unverified")
async def test_without_that_it_would_be_seen_twice(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as producer:
        await producer.publish([Outgoing(topic, b"key", (), b"first", 0)])
    await leave_behind(servers, topic, [(topic, 0)], b"second")
    async with opened(servers.access, topic) as successor:
        await successor.publish([Outgoing(topic, b"key", (), b"second", 0)])
    [records] = (await read_all(servers.bootstrap, topic)).values()
    assert [value for _, value, _ in records] == [b"first", b"second", b"second"]
