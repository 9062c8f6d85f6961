"""Whether partitions can be read at an offset, tested by one fetch from each.

It commits no offsets and joins no group, so `standing status` can use it beside ingest. The invariant: it returns
within `timeouts.PROBE_SECONDS` and does not report partitions that have not answered.
"""

import asyncio
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

from contracts.topics import Partition
from workers import timeouts
from workers.kafka.ends import NO_LEADER
from workers.kafka.fetch_errors import CORRUPT_MESSAGE, LEADER_NOT_AVAILABLE, error_name
from workers.kafka.fetched_records import GuardedRecords, UnreadableRecords
from workers.kafka.internals import GuardedPartitionRecords
from workers.kafka.security import KafkaAccess

_READ_COMMITTED = 1


async def unreadable(kafka: KafkaAccess, offsets: Mapping[Partition, int]) -> dict[Partition, str]:
    """The partitions that cannot be read at their offset, and Kafka's name of the error; topics with their prefix."""
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
        return found  # the caller reports an unreachable server otherwise
    finally:
        await client.close()
    return found


async def _error(client: AIOKafkaClient, place: TopicPartition, offset: int) -> str | None:
    """The error of fetching the batch at the offset, if it fails."""
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
