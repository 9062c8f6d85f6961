"""`standing status`: how far each part of a deployment is. Reads only.

Every count uses an index and ends at `COUNTED_TO`. `workers.commands.stuck` says what is stuck.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from contracts.topics import INPUT_TOPICS
from workers import timeouts
from workers.checkpoints import published_seqs
from workers.commands.stuck import InputTopics, halts, of_partitions, of_topics
from workers.kafka.admin import compare_settings, existing
from workers.lost_topics import find_lost, in_words, written_to
from workers.ops.clock import WallClock
from workers.rules.calendar import Instant, written
from workers.store.records import Position
from workers.store.state import COUNTED_TO, Counts, read_state, unpublished
from workers.store.statements import statement
from workers.topic_specs import topic_specs
from workers.wiring import Database, Kafka

MOST_NAMED = 20
"""Quarantined accounts that are named."""


@dataclass(frozen=True, slots=True)
class Status(Counts):
    """How far a deployment is; instants are microseconds, ages seconds."""

    lag: dict[str, int]
    """Records not read yet, by topic/partition."""
    watermark: Instant | None
    held: str | None
    unpublished: int
    unpublished_seconds: float
    quarantined: dict[str, str] = field(default_factory=dict)
    """Why, for the first quarantined accounts and for the companies whose members cannot be judged."""
    paused: dict[str, str] = field(default_factory=dict)
    """Why, for each partition that is paused by its dead letters, by topic/partition."""
    stuck: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What an operator should know although it breaks no promise."""

    def as_json(self) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["watermark"] = None if self.watermark is None else written(self.watermark)
        values["counted_up_to"] = COUNTED_TO
        return json.dumps(values, indent=2)


async def whole_status(database: Database, kafka: Kafka) -> Status:
    """The status now, with a test fetch from each lagging partition and a check of the topics' settings."""
    status = await read_status(database, kafka, fetching=True)
    findings = await compare_settings(kafka.admin, topic_specs(database.settings))
    status.stuck.extend(findings.broken)
    status.warnings.extend(findings.warnings)
    return status


async def read_status(database: Database, kafka: Kafka, *, fetching: bool = False) -> Status:
    """The status now; if `fetching`, with a test fetch from each partition that lags."""
    store, deployment = database.store, database.deployment
    positions = await store.positions()
    inputs = await _inputs(kafka)
    state = await read_state(store, database.settings.allowed_lateness)
    now = WallClock().wall()
    published = await published_seqs(kafka.admin, kafka.prefix, range(deployment.shards))
    left = await unpublished(store, state.shard_ends, published, now)
    status = Status(
        lag={f"{each.topic}/{each.partition}": inputs.lag(each) for each in positions},
        watermark=state.watermark,
        held=state.progress.held,
        unpublished=left.messages,
        unpublished_seconds=left.seconds,
        paused={f"{topic}/{partition}": why for (topic, partition), why in state.paused.items()},
        **{each.name: getattr(state.left, each.name) for each in fields(Counts)},
    )
    status.quarantined.update(await store.quarantined("", MOST_NAMED))
    status.quarantined.update(map(tuple, await store.fetch(statement("quarantined_fanouts"))))
    halted = halts(positions, inputs, deployment.topic_ids)
    if fetching:
        asked = [each for each in positions if inputs.lag(each) and f"{each.topic}/{each.partition}" not in halted]
        halted |= await _unreadable(kafka, asked) if asked else {}
    lost = await find_lost(kafka.admin, kafka.prefix, written_to(deployment.topic_ids))
    status.stuck.extend(in_words(lost))  # `halts` covers the input topics
    status.stuck.extend(_stuck(status, halted))
    status.stuck.extend(of_topics(positions, inputs))
    if database.settings.clock == "wall":
        if status.overdue:
            status.stuck.append(
                f"{status.overdue} deadlines are overdue by over {timeouts.STUCK_SECONDS} s; does timers run?"
            )
        status.stuck.extend(of_partitions(positions, inputs, {*status.paused, *halted}, now))
    return status


async def _inputs(kafka: Kafka) -> InputTopics:
    """The input topics as they are now; raises TopicMissing."""
    prefix, asking = kafka.prefix, kafka.admin
    topics = await existing(asking, [prefix + topic for topic in INPUT_TOPICS])
    places = [(topic, number) for topic, state in topics.items() for number in range(state.partitions)]
    starts, watermarks = await asking.start_offsets(places), await asking.high_watermarks(places)
    # Asked last: records between an end and its high watermark are in an open transaction.
    ends = await asking.end_offsets(places)
    return InputTopics(
        {topic.removeprefix(prefix): state for topic, state in topics.items()},
        {(topic.removeprefix(prefix), number): offset for (topic, number), offset in starts.items()},
        {(topic.removeprefix(prefix), number): offset for (topic, number), offset in ends.items()},
        {
            (topic.removeprefix(prefix), number)
            for topic, number in places
            if ends[topic, number] < watermarks[topic, number]
        },
    )


async def _unreadable(kafka: Kafka, positions: Sequence[Position]) -> dict[str, str]:
    """The partitions that cannot be fetched from, as topic/partition, and why."""
    from workers.kafka import probing  # with the consumer's whole machinery, which most looks do without

    offsets = {(kafka.prefix + each.topic, each.partition): each.next_offset for each in positions}
    found = await probing.unreadable(kafka.access, offsets)
    return {
        f"{topic.removeprefix(kafka.prefix)}/{number}": f"a fetch from offset {offsets[topic, number]} fails with "
        f"{name}; its worker retries it, see `A batch that cannot be read` in docs/operations.md"
        for (topic, number), name in found.items()
    }


def _stuck(status: Status, halted: Mapping[str, str]) -> Iterator[str]:
    if status.held is not None:
        yield f"deadlines are held: {status.held}"
    if status.accounts_quarantined:
        yield f"{status.accounts_quarantined} accounts are quarantined; after the repair run `standing retry`"
    for subject, why in status.quarantined.items():
        yield f"{subject} is quarantined: {why}"
    if status.unpublished_seconds > timeouts.STUCK_SECONDS:
        yield f"decisions are unpublished for {status.unpublished_seconds:.0f} s; does relay run?"
    if status.fanouts_idle:
        yield f"{status.fanouts_idle} fan-outs are idle for over {timeouts.STUCK_SECONDS} s; does fanout run?"
    for place, why in status.paused.items():
        accept = f"standing dead-letters accept {place.replace('/', ' ')}"
        yield f"{place} is paused: {why}; see `standing dead-letters list`, and resume it with `{accept}`"
    for place, why in halted.items():
        yield f"{place} is halted: {why}"
