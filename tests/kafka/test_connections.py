"""A consumer that stops while a fetch waits raises nothing, and leaves nothing behind."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.streams import Stream
from workers.kafka.connections import stop_immediately


async def test_a_fetch_that_waits_for_its_next_try_does_not_cancel_the_task_that_stops_the_consumer(
    stream: Stream,
) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=stream.bootstrap, enable_auto_commit=False)
    stop_immediately(consumer)
    await consumer.start()
    consumer.assign([TopicPartition(stream.prefix + "orders", 0)])
    waits = asyncio.create_task(asyncio.sleep(60))
    consumer._fetcher._pending_tasks.add(waits)
    await consumer.stop()
    assert waits.cancelled()
    assert consumer._client._conns == {}
