"""`standing replay`: reads a history from the topics or from files, decides it again and compares.

It compares what the live engine had read, judged and logged at one instant. If the database does not answer, it
compares everything in the topics, up to the latest deadline decision; that is exact only if no work is pending.
"""

import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import orjson

from contracts.topics import INPUT_TOPICS, OUTPUT_TOPICS, Partition
from workers import timeouts
from workers.codec.messages import ce_id
from workers.codec.policies import load_policies
from workers.kafka import admin
from workers.kafka.fetched_records import FetchedRecord
from workers.kafka.whole_topics import WholeTopics
from workers.ops.progress import Bars
from workers.ops.refused import Refused, naming
from workers.ops.terminal import Terminal
from workers.recovery.compare import Differences, compare
from workers.recovery.decide_again import Replay, every_partition, quiet_collector
from workers.recovery.published_decisions import PublishedMessages, Value, compared
from workers.recovery.snapshot import Judged, Snapshot, take_snapshot
from workers.rules.calendar import Instant
from workers.settings import Settings
from workers.store.connections import connect, connect_types
from workers.store.records import MINUS_INFINITY
from workers.store.statements import statement

AT_A_TIME = 20_000
"""Lines of a file that are processed as one batch."""


class BadHistory(Refused):
    """A file is not a history, or the topics lack their beginning."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay (files or, if there are none, the topics), to which watermark, and where the decisions go."""

    files: Sequence[Path] = ()
    watermark: Instant | None = None
    against: Path | None = None
    write: Path | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replayed history, and how long the replay took."""

    replay: Replay
    published: PublishedMessages | None
    seconds: float
    ends: Mapping[Partition, int] = field(default_factory=dict)
    """The end of each input partition that was read, topics without prefix."""
    unread: int = 0
    """Offsets that the live engine had not read."""
    undecided: frozenset[str] = frozenset()
    """Accounts that the live engine still had to judge again."""


async def replay(terminal: Terminal, settings: Settings, options: ReplayOptions) -> Differences:
    """Replay, then compare with what was published or with a file, or write the decisions to a file."""
    if options.files:
        done = replay_files(terminal, settings, options.files, options.watermark)
    else:
        done = await replay_topics(terminal, settings, options.watermark)
    made = done.replay
    if options.write is not None:
        write_decisions(options.write, made.in_force.values())
        differences = Differences(len(made.in_force), written_to=options.write)
    elif options.against is not None:
        differences = compare(made.in_force, {each["decision_id"]: each for each in read_decisions(options.against)})
    else:
        published = done.published
        if published is None:
            with terminal.bars() as progress:
                published = read_published(settings, progress)
        sides = (made.in_force, published.in_force, made.standings, published.standings)
        differences = compare(*(_decided(each, done.undecided) for each in sides))
        differences.unread, differences.undecided = done.unread, len(done.undecided)
        for value in published.duplicates:
            differences.add("published twice", value, f"its sequence is {value['sequence']}")
        for letter in made.refused if not options.files else ():
            value = orjson.loads(letter.value)
            differences.add("would be a dead letter", value, f"{value['reason']}: {value['detail']}")
    for account_id, why in sorted(made.quarantined.items()):
        differences.add("cannot be judged", {"account_id": account_id}, why)
    differences.facts, differences.seconds, differences.watermark = made.facts, done.seconds, made.watermark
    return differences


def _decided(values: Mapping[str, Value], undecided: Set[str]) -> dict[str, Value]:
    """The values about other accounts than the undecided ones."""
    return {name: value for name, value in values.items() if value.get("account_id") not in undecided}


def write_decisions(file: Path, decisions: Iterable[Value]) -> None:
    """Write decisions as JSON lines, ordered by instant, with the compared fields only."""
    lines = sorted((each["effective_at"], each["decision_id"], orjson.dumps(compared(each))) for each in decisions)
    with naming(file):
        file.write_bytes(b"".join(line + b"\n" for _, _, line in lines))


def read_decisions(file: Path) -> list[Value]:
    """Read what `write_decisions` wrote; raises BadHistory for a line that is not a decision."""
    with naming(file):
        lines = file.read_bytes().splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            decision: Value = orjson.loads(line)
            subject = decision["account_id"] if "account_id" in decision else decision["company"]["key"]
            texts = (subject, *(decision[name] for name in ("decision_id", "kind", "effective_at")))
            if not all(isinstance(each, str) for each in texts):
                raise TypeError("a decision's id, kind, subject and instant must be strings")
        except (ValueError, KeyError, TypeError) as error:
            shape = "a line must be a decision, as `standing replay --write` writes it"
            raise BadHistory(f"{file}, line {number + 1}: {error!r}; {shape}") from error
        found.append(decision)
    return found


async def replay_topics(terminal: Terminal, settings: Settings, watermark: Instant | None) -> Replayed:
    """Replay the input topics as far as the live engine has read them, and judge as far as it has, or to an instant.

    If the database does not answer, replay everything, judged up to the latest deadline decision.
    """
    quiet_collector()
    await admin.existing(admin.Admin(settings.kafka), [settings.topic_prefix + topic for topic in INPUT_TOPICS])
    with terminal.bars() as progress:
        async with _database(settings) as connection:
            snapshot = None if connection is None else await take_snapshot(settings, connection)
            inputs = whole_inputs(settings)  # after the snapshot, so their ends include every record it covers
            if snapshot is None or connection is None:
                published = read_published(settings, progress)
            else:
                published = await _read_published_at(settings, progress, snapshot, connection)
    if watermark is not None:
        judged = Judged(watermark)
    elif snapshot is not None:
        judged = snapshot.judged
    else:
        judged = Judged(MINUS_INFINITY if published.deadline_until is None else published.deadline_until)
    return decide_topics(terminal, settings, inputs, published, judged, snapshot)


def decide_topics(
    terminal: Terminal,
    settings: Settings,
    inputs: WholeTopics,
    published: PublishedMessages,
    judged: Judged,
    snapshot: Snapshot | None = None,
) -> Replayed:
    """Replay the input topics from their starts to their ends, or as far as a snapshot has read them."""
    with terminal.bars() as progress:
        prefix = settings.topic_prefix
        there = inputs.total
        if snapshot is not None:
            inputs.stop_at({(prefix + topic, number): each for (topic, number), each in snapshot.positions.items()})
        names = {place: (place[0].removeprefix(prefix), place[1]) for place in inputs.ends}
        replay = Replay(
            load_policies(settings.policies),
            judged,
            every_partition(names.values()),
            settings.max_record_bytes,
            frozenset(published.dead),
        )
        begun = time.perf_counter()
        task = progress.add_task("deciding", total=inputs.total)
        open_places = set(names)
        for chunk in inputs.read():
            replay.process({names[place]: records for place, records in chunk.items()})
            for place in open_places - inputs.unread():
                replay.ended(names[place])
            open_places &= inputs.unread()
            progress.update(task, completed=inputs.done)
        replay.finish()
    ends = {names[place]: end for place, end in inputs.ends.items()}
    undecided = frozenset() if snapshot is None else snapshot.undecided | published.restated
    seconds = time.perf_counter() - begun
    return Replayed(replay, published, seconds, ends, there - inputs.total, undecided)


def read_published(settings: Settings, progress: Bars) -> PublishedMessages:
    """Everything that the output topics contain."""
    return _add_all(PublishedMessages(), _outputs(settings), settings, progress).finish()


async def _read_published_at(
    settings: Settings, progress: Bars, snapshot: Snapshot, connection: Any
) -> PublishedMessages:
    """What was in the log at a snapshot: from the output topics, and from the log what these do not contain yet."""
    outputs = _outputs(settings)
    ends = dict(await connection.fetch(statement("shard_ends")))  # covers everything up to the ends of the topics
    in_transaction = await admin.Admin(settings.kafka).high_watermarks(list(outputs.ends)) != outputs.ends
    newest = {ce_id(snapshot.incarnation, row.shard, row.seq): row for row in snapshot.newest}
    published = PublishedMessages(later=frozenset(snapshot.later(ends)), newest=newest)
    _add_all(published, outputs, settings, progress)
    # A shard's last transaction may be committed in some partitions and still hide its rows in others.
    published.add_logged(
        row for row in published.newest.values() if in_transaction or row.seq > snapshot.checkpoints.get(row.shard, 0)
    )
    return published.finish()


def whole_inputs(settings: Settings) -> WholeTopics:
    """The input topics up to their present ends; raises BadHistory if they lack their beginning."""
    inputs = WholeTopics(settings.kafka, settings.group, [settings.topic_prefix + topic for topic in INPUT_TOPICS])
    cut = [f"{topic}/{partition} begins at {start}" for (topic, partition), start in inputs.starts.items() if start]
    if cut:
        raise BadHistory(f"a replay needs the whole history, but the topics lack their beginning: {', '.join(cut)}")
    return inputs


def _outputs(settings: Settings) -> WholeTopics:
    topics = [settings.topic_prefix + topic for topic in OUTPUT_TOPICS]
    return WholeTopics(settings.kafka, settings.group, topics, with_headers=True)


def _add_all(
    published: PublishedMessages, outputs: WholeTopics, settings: Settings, progress: Bars
) -> PublishedMessages:
    task = progress.add_task("published", total=outputs.total)
    for chunk in outputs.read():
        for (topic, _), records in chunk.items():
            published.add(topic.removeprefix(settings.topic_prefix), records)
        progress.update(task, completed=outputs.done)
    return published


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Any]:
    """A connection to the database, or None if it does not answer."""
    try:
        connection = await connect(settings.database_url, timeout=timeouts.OPTIONAL_DATABASE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        yield None
        return
    try:
        await connect_types(connection)
        yield connection
    finally:
        await connection.close(timeout=timeouts.OPTIONAL_DATABASE_SECONDS)


def replay_files(
    terminal: Terminal, settings: Settings, files: Sequence[Path], watermark: Instant | None
) -> Replayed:
    """Replay JSONL files, as `standing generate --out` writes them, one after the other, in one pass.

    Without a watermark, deadlines are enforced up to the newest fact, less the allowed lateness.
    """
    places: list[Partition] = [(topic, 0) for topic in INPUT_TOPICS]
    judged = Judged(MINUS_INFINITY if watermark is None else watermark)
    replay = Replay(load_policies(settings.policies), judged, places, settings.max_record_bytes)
    quiet_collector()
    begun = time.perf_counter()
    with terminal.bars(download=True) as progress:
        for file in files:
            with naming(file), file.open("rb") as lines:
                task = progress.add_task(f"deciding {file.name}", total=file.stat().st_size)
                records = read_jsonl(file, lines)
                while some := list(islice(records, AT_A_TIME)):
                    chunk: dict[Partition, list[FetchedRecord]] = {}
                    for record in some:
                        chunk.setdefault((record.topic, 0), []).append(record)
                    replay.process(chunk)
                    progress.update(task, completed=lines.tell())
                    if watermark is None and replay.newest is not None:
                        replay.reach(replay.newest - settings.allowed_lateness)
        replay.finish()
    return Replayed(replay, None, time.perf_counter() - begun)


class _Line(msgspec.Struct, gc=False):
    """A line of a history; `value` is left as it is written."""

    topic: str
    key: str | int | float | None
    value: msgspec.Raw = msgspec.Raw()
    raw: str | None = None


def read_jsonl(file: Path, lines: Iterable[bytes]) -> Iterator[FetchedRecord]:
    """The messages in the lines of a file: `topic`, `key`, and `value` or, if it is not JSON, `raw` in base64."""
    decode = msgspec.json.Decoder(_Line).decode
    for number, line in enumerate(lines):
        try:
            read = decode(line)
            value = bytes(read.value) if read.raw is None else b64decode(read.raw, validate=True)
            if not value and read.raw is None:
                raise ValueError("it has neither value nor raw")
        except (ValueError, TypeError) as error:
            shape = "a line must be {topic, key, value}, as `standing generate --out` writes it"
            raise BadHistory(f"{file}, line {number + 1}: {error!r}; {shape}") from error
        if read.topic not in INPUT_TOPICS:
            raise BadHistory(f"{file}, line {number + 1}: {read.topic!r} is not an input topic")
        yield FetchedRecord(read.topic, 0, number, 0, None if read.key is None else str(read.key).encode(), value, ())
