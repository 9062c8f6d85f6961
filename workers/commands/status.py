"""`standing status`: how far everything is.

Reads only; nothing here changes a table or a topic. Everything is counted by its index and no further than
`COUNTED_TO`. What is stuck, `stuck` says.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from contracts.topics import INPUT_TOPICS
from workers import timeouts
from workers.checkpoints import published_seqs
from workers.commands.setup import topic_specs
from workers.commands.stuck import Inputs, halts, of_partitions, of_topics
from workers.kafka.admin import compare_settings, existing
from workers.ops.clock import WallClock
from workers.rules.calendar import Instant, written
from workers.store.records import Position
from workers.store.state import COUNTED_TO, read_state, unpublished
from workers.store.statements import statement
from workers.topics import find_lost, in_words, written_to
from workers.wiring import Database, Kafka

MOST_NAMED = 20
"""So many quarantined accounts are named."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a deployment is; instants are microseconds, ages seconds."""

    lag: dict[str, int]
    """Records not read yet, by topic/partition."""
    watermark: Instant | None
    held: str | None
    due: int
    """Accounts whose silence the watermark has passed, to be judged now."""
    overdue: int
    """Those of them that it passed by over a minute."""
    waiting: int
    """Accounts whose next deadline is ahead."""
    accounts_quarantined: int
    """Accounts whose evaluation failed."""
    unpublished: int
    unpublished_seconds: float
    fanouts: int
    """Companies whose members are still to be judged; those with members that wait for the watermark aside."""
    fanouts_idle: int
    """Those of them that nobody has worked on for over a minute."""
    dead_letters: int
    quarantined: dict[str, str] = field(default_factory=dict)
    """The first of them, by account, and the companies whose members cannot be judged, by key; and why."""
    paused: dict[str, str] = field(default_factory=dict)
    """Partitions of mostly dead letters, by topic/partition, and why they rest."""
    stuck: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What breaks no promise, and an operator should know."""

    def as_json(self) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["watermark"] = None if self.watermark is None else written(self.watermark)
        values["counted_up_to"] = COUNTED_TO
        return json.dumps(values, indent=2)


async def whole_status(database: Database, kafka: Kafka) -> Status:
    """The status now, with what a fetch of each partition that lags meets, and which of the topics' settings were
    changed since the set-up.
    """
    status = await read_status(database, kafka, fetching=True)
    findings = await compare_settings(kafka.admin, topic_specs(database.settings))
    status.stuck.extend(findings.broken)
    status.warnings.extend(findings.warnings)
    return status


async def read_status(database: Database, kafka: Kafka, *, fetching: bool = False) -> Status:
    """The status now; where `fetching`, with what a fetch of each partition that lags meets."""
    store, deployment = database.store, database.deployment
    positions = await store.positions()
    inputs = await _inputs(kafka)
    state = await read_state(store, database.settings.allowed_lateness)
    now = WallClock().wall()
    published = await published_seqs(kafka.access, kafka.prefix, range(deployment.shards))
    left = await unpublished(store, state.shard_ends, published, now)
    status = Status(
        lag={f"{each.topic}/{each.partition}": inputs.lag(each) for each in positions},
        watermark=state.watermark,
        held=state.progress.held,
        unpublished=left.messages,
        unpublished_seconds=left.seconds,
        paused={f"{topic}/{partition}": why for (topic, partition), why in state.paused.items()},
        **{each.name: getattr(state.left, each.name) for each in fields(state.left) if each.name != "oldest_due"},
    )
    status.quarantined.update(await store.quarantined("", MOST_NAMED))
    status.quarantined.update(map(tuple, await store.fetch(statement("quarantined_fanouts"))))
    halted = halts(positions, inputs, deployment.topic_ids)
    if fetching:
        asked = [each for each in positions if inputs.lag(each) and f"{each.topic}/{each.partition}" not in halted]
        halted |= await _unreadable(kafka, asked) if asked else {}
    lost = await find_lost(kafka.admin, kafka.prefix, written_to(deployment.topic_ids))
    status.stuck.extend(in_words(lost))  # of the input topics `halts` tells
    status.stuck.extend(_stuck(status, halted))
    status.stuck.extend(of_topics(positions, inputs))
    if database.settings.clock == "wall":
        if status.overdue:
            status.stuck.append(
                f"{status.overdue} deadlines are overdue by over {timeouts.STUCK_SECONDS} s; does timers run?"
            )
        status.stuck.extend(of_partitions(positions, inputs, {*status.paused, *halted}, now))
    return status


async def _inputs(kafka: Kafka) -> Inputs:
    """The input topics as they are now; raises TopicMissing."""
    prefix, asking = kafka.prefix, kafka.admin
    topics = await existing(asking, [prefix + topic for topic in INPUT_TOPICS])
    places = [(topic, number) for topic, state in topics.items() for number in range(state.partitions)]
    starts, watermarks = await asking.start_offsets(places), await asking.high_watermarks(places)
    ends = await asking.end_offsets(places)  # asked last: what lies before a watermark and behind its end is open
    return Inputs(
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
        f"{name}; its worker tries again by itself, see `a batch that cannot be read` in docs/operations.md"
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
        yield f"decisions wait for the relay for {status.unpublished_seconds:.0f} s; does relay run?"
    if status.fanouts_idle:
        yield f"{status.fanouts_idle} fan-outs wait for over {timeouts.STUCK_SECONDS} s; does fan-out run?"
    for place, why in status.paused.items():
        accept = f"standing dead-letters accept {place.replace('/', ' ')}"
        yield f"{place} is paused: {why}; see `standing dead-letters list`, and go on with `{accept}`"
    for place, why in halted.items():
        yield f"{place} is halted: {why}"
