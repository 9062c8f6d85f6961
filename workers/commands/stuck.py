"""What `standing status` calls stuck: one line for each thing that does not go on by itself, and what to do.

Owns the limits and the words. Pure: what Kafka and the database say is read by `status`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.topics import Topic
from workers import timeouts
from workers.kafka.admin import Partition, TopicState
from workers.rules.calendar import SECOND, Instant, written
from workers.store.records import Position


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input topics as the brokers have them now; names without the prefix."""

    topics: Mapping[str, TopicState]
    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    in_transaction: Collection[Partition]
    """Partitions in which a transaction is open."""

    def lag(self, position: Position) -> int:
        """Records of a partition that are not read yet."""
        return max(0, self.ends.get((position.topic, position.partition), 0) - position.next_offset)


def halts(positions: Sequence[Position], inputs: Inputs, known_ids: Mapping[str, str]) -> dict[str, str]:
    """The partitions that cannot be read on from where the database stands, as topic/partition, and why."""
    found: dict[str, str] = {}
    for each in positions:
        place, topic_id = (each.topic, each.partition), inputs.topics[each.topic].topic_id
        if topic_id != known_ids.get(each.topic, topic_id):
            why = "the topic was deleted and made again"
        elif place not in inputs.ends:
            why = "the topic has no such partition any more"
        elif not inputs.starts[place] <= each.next_offset <= inputs.ends[place]:
            has = f"the topic has {inputs.starts[place]} to {inputs.ends[place]}"
            why = f"the next record to read has the offset {each.next_offset}, {has}"
        else:
            continue
        found[f"{each.topic}/{each.partition}"] = why
    return found


def of_topics(positions: Sequence[Position], inputs: Inputs) -> Iterator[str]:
    """Topics that have more partitions than were set up."""
    for topic, state in inputs.topics.items():
        known = sum(each.topic == topic for each in positions)
        if state.partitions > known:
            stopped = "no deadline is enforced"
            if topic == Topic.SELLER_ACCOUNTS:
                stopped += " and no case decided"
            yield f"{topic} has {state.partitions} partitions, {known} were set up: {stopped}"


def of_partitions(
    positions: Sequence[Position], inputs: Inputs, named: Collection[str], now: Instant
) -> Iterator[str]:
    """Partitions that were not read to their end lately, but for those that are named already."""
    registry = [each for each in positions if each.topic == Topic.SELLER_ACCOUNTS]
    unread = [_name(each) for each in registry if _is_late(each, now) or _name(each) in named]
    for each in positions:
        if not _is_late(each, now) or _name(each) in named:
            continue
        if each.topic == Topic.COMPLAINTS and inputs.lag(each):
            if inputs.topics[Topic.SELLER_ACCOUNTS].partitions > len(registry):
                continue  # its next case waits for the partitions that `of_topics` names
            why = f"its next case waits for {unread[0]}" if unread else _why(each, inputs)
        else:
            why = _why(each, inputs)
        since = "never" if each.watermark is None else f"up to {written(each.watermark)} only"
        yield f"{_name(each)} was read to its end {since}; {why}"


def _name(position: Position) -> str:
    return f"{position.topic}/{position.partition}"


def _is_late(position: Position, now: Instant) -> bool:
    return position.watermark is None or position.watermark < now - timeouts.STUCK_SECONDS * SECOND


def _why(position: Position, inputs: Inputs) -> str:
    is_open = (position.topic, position.partition) in inputs.in_transaction
    return "a transaction is open there, see `kafka-transactions.sh`" if is_open else "does ingest run?"
