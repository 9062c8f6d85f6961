"""What `standing status` calls stuck: a line for each thing that does not resume by itself, and what to do.

Owns the limits and the texts. Pure: `status` reads the state of Kafka and of the database.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.topics import Partition, Topic
from workers import timeouts
from workers.kafka.admin import TopicState
from workers.rules.calendar import SECOND, Instant, written
from workers.store.records import Position


@dataclass(frozen=True, slots=True)
class InputTopics:
    """The input topics as the brokers have them now; names without the prefix."""

    topics: Mapping[str, TopicState]
    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    in_transaction: Collection[Partition]
    """Partitions in which a transaction is open."""

    def lag(self, position: Position) -> int:
        """Records of a partition that are not read yet."""
        return max(0, self.ends.get((position.topic, position.partition), 0) - position.next_offset)


def halts(positions: Sequence[Position], inputs: InputTopics, known_ids: Mapping[str, str]) -> dict[str, str]:
    """The partitions that cannot be read from their stored position, as topic/partition, and why."""
    found: dict[str, str] = {}
    for each in positions:
        place, topic_id = (each.topic, each.partition), inputs.topics[each.topic].topic_id
        if topic_id != known_ids.get(each.topic, topic_id):
            why = "the topic was deleted and recreated"
        elif place not in inputs.ends:
            why = "the topic no longer has this partition"
        elif not inputs.starts[place] <= each.next_offset <= inputs.ends[place]:
            holds = f"the topic holds offsets {inputs.starts[place]} to {inputs.ends[place]}"
            why = f"its stored position is {each.next_offset}, {holds}"
        else:
            continue
        found[f"{each.topic}/{each.partition}"] = why
    return found


def of_topics(positions: Sequence[Position], inputs: InputTopics) -> Iterator[str]:
    """Topics that have more partitions than were set up."""
    for topic, state in inputs.topics.items():
        known = sum(each.topic == topic for each in positions)
        if state.partitions > known:
            stopped = "no deadline is enforced"
            if topic == Topic.SELLER_ACCOUNTS:
                stopped += " and no case decided"
            yield f"{topic} has {state.partitions} partitions, {known} were set up: {stopped}"


def of_partitions(
    positions: Sequence[Position], inputs: InputTopics, named: Collection[str], now: Instant
) -> Iterator[str]:
    """Partitions that were not read to their end lately, without those that are `named` already."""
    registry = [each for each in positions if each.topic == Topic.SELLER_ACCOUNTS]
    unread = [_name(each) for each in registry if _is_late(each, now) or _name(each) in named]
    for each in positions:
        if not _is_late(each, now) or _name(each) in named:
            continue
        if each.topic == Topic.COMPLAINTS and inputs.lag(each):
            if inputs.topics[Topic.SELLER_ACCOUNTS].partitions > len(registry):
                continue  # its next case is blocked on the partitions that `of_topics` names
            why = f"its next case is blocked on {unread[0]}" if unread else _why(each, inputs)
        else:
            why = _why(each, inputs)
        known = (
            "was never read to its end"
            if each.watermark is None
            else f"is complete only up to {written(each.watermark)}"
        )
        yield f"{_name(each)} {known}; {why}"


def _name(position: Position) -> str:
    return f"{position.topic}/{position.partition}"


def _is_late(position: Position, now: Instant) -> bool:
    return position.watermark is None or position.watermark < now - timeouts.STUCK_SECONDS * SECOND


def _why(position: Position, inputs: InputTopics) -> str:
    is_open = (position.topic, position.partition) in inputs.in_transaction
    return "a transaction is open there, see `kafka-transactions.sh`" if is_open else "does ingest run?"
