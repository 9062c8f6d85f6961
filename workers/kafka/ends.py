"""Where partitions end, asked of their leaders: one whose leader is away keeps nobody from hearing of the others.

An end is a high watermark, which counts what open transactions have sent. A read_committed reader passes nothing
that is not decided: where its position has reached a high watermark, all before that was read, committed or aborted.
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

    One that is gone, without a leader, or whose leader does not answer is left out; raises where none answers.
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
