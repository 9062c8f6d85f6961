"""Where partitions end, asked of their leaders: one whose leader is away keeps nobody from hearing of the others.

An end is that of a read_committed reader; where a transaction is open behind it, it proves nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

REQUEST_SECONDS = 10.0
NO_LEADER = -1


async def ends_now(consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    """The ends that the consumer's isolation sees, by requests sent after this call.

    A partition without a leader, or whose leader does not answer, is left out; raises where none answers.
    """
    by_leader: dict[int | None, list[TopicPartition]] = defaultdict(list)
    for place in places:
        by_leader[consumer._client.cluster.leader_for_partition(place)].append(place)
    by_leader.pop(NO_LEADER, None)
    asked = (asyncio.wait_for(consumer.end_offsets(each), REQUEST_SECONDS) for each in by_leader.values())
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found = [each for each in answers if not isinstance(each, BaseException)]
    if answers and not found:
        raise next(each for each in answers if isinstance(each, BaseException))
    return {place: end for each in found for place, end in each.items()}


def is_settled(consumer: AIOKafkaConsumer, place: TopicPartition) -> bool:
    """Whether all that the last fetch saw in a partition was committed or aborted; False before the first."""
    if place not in consumer.assignment():
        return False
    stable = consumer.last_stable_offset(place)
    return stable is not None and stable == consumer.highwater(place)
