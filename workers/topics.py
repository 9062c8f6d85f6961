"""Whether the topics are those that were set up: Kafka's ids say so, for a deleted topic can be made again.

Owns what is said of a topic that was lost, and what an operator does then. It asks, and changes nothing.
"""

from collections.abc import Mapping

from contracts.topics import INPUT_TOPICS
from workers.checkpoints import CHECKPOINTS_TOPIC
from workers.kafka.admin import Admin
from workers.ops.refused import Refused

DELETED = "was deleted"
MADE_AGAIN = "was deleted and made again"


class TopicLost(Refused):
    """A topic is not the one that was set up."""


async def find_lost(admin: Admin, prefix: str, topic_ids: Mapping[str, str]) -> dict[str, str]:
    """What became of the topics that are not those that were set up; names without the prefix."""
    states = await admin.describe([prefix + topic for topic in topic_ids])
    found = {topic: states.get(prefix + topic) for topic in topic_ids}
    return {
        topic: DELETED if state is None else MADE_AGAIN
        for topic, state in found.items()
        if state is None or state.topic_id != topic_ids[topic]
    }


def in_words(lost: Mapping[str, str]) -> list[str]:
    """A line for each topic that was lost: what became of it, and what to do."""
    return [f"topic {topic} {what} since it was set up: {_what_follows(topic)}" for topic, what in lost.items()]


def _what_follows(topic: str) -> str:
    if topic in INPUT_TOPICS:
        return (
            "the stored positions are of the old one, and ingest does not read on; docs/operations.md, "
            "`A topic that was made anew`, says what to do"
        )
    if topic == CHECKPOINTS_TOPIC:
        return "how far the log was published is not known; stop all workers and run `standing relay --reconcile`"
    return (
        "what was published in it is lost there; stop all workers and run `standing relay --reconcile`, which "
        "publishes it there again (docs/operations.md, `An output topic that was lost`)"
    )


def written_to(topic_ids: Mapping[str, str]) -> dict[str, str]:
    """Those of the topics that the relay writes to."""
    return {topic: topic_id for topic, topic_id in topic_ids.items() if topic not in INPUT_TOPICS}


async def check_topics(admin: Admin, prefix: str, topic_ids: Mapping[str, str]) -> None:
    """Raise TopicLost where a topic is not the one that was set up."""
    lost = await find_lost(admin, prefix, topic_ids)
    if lost:
        raise TopicLost("; ".join(in_words(lost)))
