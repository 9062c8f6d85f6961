"""High watermarks of partitions, requested leader by leader, so an unreachable leader delays only its own partitions.

A high watermark includes the records of open transactions. A read_committed consumer does not pass an open
transaction: when its position has reached a high watermark, every record before it was read or aborted.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from aiokafka import TopicPartition

from workers.kafka.admin import Admin

NO_LEADER = -1


async def high_watermarks(
    admin: Admin, leader: Callable[[TopicPartition], int | None], places: Iterable[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """The high watermarks, by requests sent after this call.

    A partition that was deleted, has no leader or whose leader does not answer is left out; raises if none answers.
    """
    by_leader: dict[int | None, list[TopicPartition]] = defaultdict(list)
    for place in places:
        by_leader[leader(place)].append(place)
    by_leader.pop(NO_LEADER, None)
    asked = (admin.high_watermarks(each, partly=True) for each in by_leader.values())
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found = [each for each in answers if not isinstance(each, BaseException)]
    if answers and not found:
        raise next(each for each in answers if isinstance(each, BaseException))
    return {TopicPartition(*place): end for each in found for place, end in each.items()}
