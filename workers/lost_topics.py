"""Whether the topics are those that were set up, by Kafka's topic ids: a topic can be deleted and recreated.

Also the lines that tell an operator what to do about a lost topic.
"""

from collections.abc import Mapping

from contracts.topics import INPUT_TOPICS
from workers.checkpoints import CHECKPOINTS_TOPIC
from workers.kafka.admin import Admin
from workers.ops.refused import Refused

DELETED = "was deleted"
RECREATED = "was deleted and recreated"


class TopicLost(Refused):
    """A topic is not the one that was set up."""


async def find_lost(admin: Admin, prefix: str, topic_ids: Mapping[str, str]) -> dict[str, str]:
    """What happened to each topic that is not the one that was set up; names without the prefix."""
    states = await admin.describe([prefix + topic for topic in topic_ids])
    found = {topic: states.get(prefix + topic) for topic in topic_ids}
    return {
        topic: DELETED if state is None else RECREATED
        for topic, state in found.items()
        if state is None or state.topic_id != topic_ids[topic]
    }


def in_words(lost: Mapping[str, str]) -> list[str]:
    """A line for each topic that was lost: what happened to it, and what to do."""
    return [f"topic {topic} {what} since it was set up: {_what_follows(topic)}" for topic, what in lost.items()]


def _what_follows(topic: str) -> str:
    if topic in INPUT_TOPICS:
        return (
            "the stored positions belong to the old topic, so ingest does not read it; see "
            "`A topic that was recreated` in docs/operations.md"
        )
    if topic == CHECKPOINTS_TOPIC:
        return "only it records how far the log was published; stop all workers and run `standing relay --reconcile`"
    return (
        "its messages are lost; stop all workers and run `standing relay --reconcile`, which publishes them "
        "again (see `An output topic that was lost` in docs/operations.md)"
    )


def written_to(topic_ids: Mapping[str, str]) -> dict[str, str]:
    """The topics that the relay writes to."""
    return {topic: topic_id for topic, topic_id in topic_ids.items() if topic not in INPUT_TOPICS}


async def check_topics(admin: Admin, prefix: str, topic_ids: Mapping[str, str]) -> None:
    """Raise TopicLost if a topic is not the one that was set up."""
    lost = await find_lost(admin, prefix, topic_ids)
    if lost:
        raise TopicLost("; ".join(in_words(lost)))
