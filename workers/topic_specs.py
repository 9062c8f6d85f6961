"""The topics of a deployment, and the settings that each of them needs."""

from collections.abc import Sequence

from contracts.topics import OUTPUT_TOPICS, Topic
from workers.checkpoints import CHECKPOINTS_TOPIC
from workers.kafka.admin import TopicSpec
from workers.kafka.topic_settings import COMPACTED, KEPT, Needed, of_inputs
from workers.settings import Settings

WRITTEN = (*OUTPUT_TOPICS, CHECKPOINTS_TOPIC)
"""The topics that the relay writes to."""


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of the deployment, as `ensure_topics` creates or checks it."""
    specs = [
        TopicSpec(settings.topic_prefix + topic.value, settings.partitions, _needed(topic, settings))
        for topic in Topic
    ]
    return [*specs, TopicSpec(settings.topic_prefix + CHECKPOINTS_TOPIC, settings.shards, COMPACTED)]


def _needed(topic: Topic, settings: Settings) -> Sequence[Needed]:
    if topic.direction == "in":
        return of_inputs(settings.max_record_bytes)
    return COMPACTED if topic.cleanup == "compact" else KEPT
