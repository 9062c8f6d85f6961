"""`standing status`: how far everything is.

Reads only; nothing here changes a table or a topic. Everything is counted by its index and no further than
`COUNTED`. What is stuck, `stuck` says.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta

from contracts.topics import INPUT_TOPICS
from workers.commands.setup import topic_specs
from workers.commands.stuck import STUCK_SECONDS, Inputs, halts, of_partitions, of_topics
from workers.kafka import admin, probing
from workers.marks import read_marks
from workers.rules.calendar import SECOND, Instant, written
from workers.settings import Settings
from workers.store.postgres import statement
from workers.store.records import MINUS_INFINITY, Position, Progress
from workers.topics import find_lost, in_words, written_to
from workers.wiring import Parts

MOST_NAMED = 20
"""So many quarantined accounts are named."""
COUNTED = 10_000
"""How far accounts, companies and dead letters are counted: this many may be more."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far a deployment is; instants are microseconds, ages seconds."""

    lag: dict[str, int]
    """Records not read yet, by topic/partition."""
    horizon: Instant | None
    held: str | None
    due: int
    """Accounts whose silence the horizon has passed, to be judged now."""
    overdue: int
    """Those of them that it passed by over a minute."""
    waiting: int
    """Accounts whose next deadline is ahead."""
    accounts_quarantined: int
    """Accounts whose evaluation failed."""
    unpublished: int
    unpublished_seconds: float
    spreads: int
    """Companies whose members are still to be judged; those with members that wait for the horizon aside."""
    spreads_idle: int
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
        values["horizon"] = None if self.horizon is None else written(self.horizon)
        values["counted_up_to"] = COUNTED
        return json.dumps(values, indent=2)


async def whole_status(made: Parts) -> Status:
    """The status now, with what a fetch of each partition that lags meets, and which of the topics' settings were
    changed since the set-up.
    """
    status = await read_status(made, fetching=True)
    findings = await admin.compare_settings(admin.Admin(made.settings.kafka), topic_specs(made.settings))
    status.stuck.extend(findings.broken)
    status.warnings.extend(findings.warnings)
    return status


async def read_status(made: Parts, *, fetching: bool = False) -> Status:
    """The status now; where `fetching`, with what a fetch of each partition that lags meets."""
    positions = await made.store.positions()
    inputs = await _inputs(made)
    progress = await _progress(made)
    horizon = progress.horizon(made.settings.settle)
    due = None if horizon == MINUS_INFINITY else horizon
    overdue = None if due is None else due - STUCK_SECONDS * SECOND
    [counts] = await made.pool.fetch(statement("status"), due, overdue, timedelta(seconds=STUCK_SECONDS), COUNTED)
    unpublished, age = await _unpublished(made)
    status = Status(
        lag={f"{each.topic}/{each.partition}": inputs.lag(each) for each in positions},
        horizon=due,
        held=progress.held,
        unpublished=unpublished,
        unpublished_seconds=age,
        paused={f"{row[0]}/{row[1]}": row[2] for row in await made.pool.fetch(statement("paused_partitions"))},
        **counts,
    )
    status.quarantined.update(await made.store.quarantined("", MOST_NAMED))
    status.quarantined.update(map(tuple, await made.pool.fetch(statement("quarantined_spreads"))))
    halted = halts(positions, inputs, made.deployment.topic_ids)
    if fetching:
        asked = [each for each in positions if inputs.lag(each) and f"{each.topic}/{each.partition}" not in halted]
        halted |= await _unreadable(made, asked)
    status.stuck.extend(await _topics_lost(made))
    status.stuck.extend(_stuck(made, status, positions, inputs, halted))
    return status


async def _inputs(made: Parts) -> Inputs:
    """The input topics as they are now; raises TopicMissing."""
    prefix, asking = made.settings.topic_prefix, admin.Admin(made.settings.kafka)
    topics = await admin.existing(asking, [prefix + topic for topic in INPUT_TOPICS])
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


async def _unreadable(made: Parts, positions: Sequence[Position]) -> dict[str, str]:
    """The partitions that cannot be fetched from, as topic/partition, and why."""
    prefix = made.settings.topic_prefix
    offsets = {(prefix + each.topic, each.partition): each.next_offset for each in positions}
    found = await probing.unreadable(made.settings.kafka, offsets)
    return {
        f"{topic.removeprefix(prefix)}/{number}": f"a fetch from offset {offsets[topic, number]} fails with {name}; "
        "its worker tries again by itself, see `a batch that cannot be read` in docs/operations.md"
        for (topic, number), name in found.items()
    }


async def _progress(made: Parts) -> Progress:
    async with made.store.transaction() as transaction:
        return await transaction.progress()


async def _topics_lost(made: Parts) -> list[str]:
    """The topics that are written and are not those that were set up; of the inputs `halts` tells."""
    asking, known = admin.Admin(made.settings.kafka), written_to(made.deployment.topic_ids)
    return in_words(await find_lost(asking, made.settings.topic_prefix, known))


async def _unpublished(made: Parts) -> tuple[int, float]:
    """How many rows of the log Kafka has not, and the age of the oldest in seconds."""
    marks = await relay_marks(made.settings, made.deployment.shards)
    count, oldest = 0, None
    for row in await made.pool.fetch("select shard, next_seq from shards order by shard"):
        published = marks.get(row["shard"], 0)
        count += row["next_seq"] - 1 - published
        if row["next_seq"] - 1 > published:
            first = await made.store.read_log(row["shard"], published, 1)
            oldest = min(oldest or first[0].recorded_at, first[0].recorded_at)
    now = made.enforcement.clock.wall()
    return count, 0.0 if oldest is None else max(0.0, (now - oldest) / SECOND)


async def relay_marks(settings: Settings, shards: int) -> dict[int, int]:
    """The last seq of each shard that a read_committed reader of Kafka can see."""
    marks = await read_marks(settings.kafka, settings.topic_prefix, range(shards))
    return {shard: mark.seq for shard, mark in marks.items()}


def _stuck(
    made: Parts, status: Status, positions: list[Position], inputs: Inputs, halted: Mapping[str, str]
) -> Iterator[str]:
    if status.held is not None:
        yield f"silence is held: {status.held}"
    if status.accounts_quarantined:
        yield f"{status.accounts_quarantined} accounts are quarantined; after the repair run `standing retry`"
    for subject, why in status.quarantined.items():
        yield f"{subject} is quarantined: {why}"
    if status.unpublished_seconds > STUCK_SECONDS:
        yield f"decisions wait for the relay for {status.unpublished_seconds:.0f} s; does relay run?"
    if status.spreads_idle:
        yield f"{status.spreads_idle} spreads wait for over {STUCK_SECONDS} s; does spread run?"
    for place, why in status.paused.items():
        accept = f"standing dead-letters accept {place.replace('/', ' ')}"
        yield f"{place} is paused: {why}; see `standing dead-letters list`, and go on with `{accept}`"
    for place, why in halted.items():
        yield f"{place} is halted: {why}"
    yield from of_topics(positions, inputs)
    if made.settings.clock == "wall":
        if status.overdue:
            yield f"{status.overdue} deadlines are overdue by over {STUCK_SECONDS} s; does timers run?"
        yield from of_partitions(positions, inputs, {*status.paused, *halted}, made.enforcement.clock.wall())
