"""Whether partitions can be read from where they stand, asked by one fetch from each.

Owns no position and joins no group: it is for who looks from outside at what ingest meets. The invariant: it answers
within `timeouts.PROBE_SECONDS`, and what did not answer by then is not called unreadable.
"""

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

from workers import timeouts
from workers.kafka.ends import NO_LEADER
from workers.kafka.fetch_errors import CORRUPT_MESSAGE, LEADER_NOT_AVAILABLE, error_name
from workers.kafka.fetched_records import GuardedPartitionRecords, GuardedRecords, UnreadableRecords
from workers.kafka.handling import Partition
from workers.kafka.security import KafkaAccess

_READ_COMMITTED = 1


async def unreadable(kafka: KafkaAccess, offsets: Mapping[Partition, int]) -> dict[Partition, str]:
    """The partitions from whose offset nothing can be read, and Kafka's name for why; topics with their prefix."""
    found: dict[Partition, str] = {}
    if not offsets:
        return found
    client = AIOKafkaClient(request_timeout_ms=int(timeouts.PROBE_SECONDS * 1000), **kafka.aiokafka())
    try:
        async with asyncio.timeout(timeouts.PROBE_SECONDS):
            await client.bootstrap()
            await client.set_topics({topic for topic, _ in offsets})
            for place, offset in offsets.items():
                name = await _error(client, TopicPartition(*place), offset)
                if name is not None:
                    found[place] = name
    except (TimeoutError, KafkaError):
        return found  # who asks says elsewhere that a server is away
    finally:
        await client.close()
    return found


async def _error(client: AIOKafkaClient, place: TopicPartition, offset: int) -> str | None:
    """What a fetch of the first batch from there on fails with."""
    leader = client.cluster.leader_for_partition(place)
    if leader in (None, NO_LEADER):
        return LEADER_NOT_AVAILABLE
    request = FetchRequest(0, 0, 1, _READ_COMMITTED, [(place.topic, [(place.partition, offset, 1)])])
    response = await client.send(leader, request)
    for _, partitions in response.topics:
        for _, code, _, *more in partitions:
            if code:
                return error_name(code)
            records = GuardedRecords(more[-1])
            share = GuardedPartitionRecords(place, records, [], offset, None, None, True, _READ_COMMITTED)
            try:
                next(share, None)
            except UnreadableRecords:
                return CORRUPT_MESSAGE
    return None
