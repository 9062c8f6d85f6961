"""`standing replay`: reads a history, from the topics or from files, decides it afresh and compares.

Owns where the history and the horizon come from. The database is asked for the horizon alone, and where it does
not answer the newest decision on silence says how far silence was judged at least.
"""

import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import orjson

from contracts.topics import INPUT_TOPICS, OUTPUT_TOPICS
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.policies import load_policies
from workers.kafka.fetched_records import FetchedRecord
from workers.kafka.whole_topics import CHUNK, WholeTopics
from workers.offline.compare import Differences, compare
from workers.offline.published import Published, Value, compared
from workers.offline.replay import Partition, Replay, every_partition, quiet_collector
from workers.ops.clock import WallClock
from workers.ops.refused import Refused, naming
from workers.ops.terminal import Bars, Terminal
from workers.rules.calendar import Instant
from workers.settings import Settings
from workers.store.connections import connect, connect_types
from workers.store.postgres import statement

LIMIT_SECONDS = 5.0


class BadHistory(Refused):
    """A file is no history, or the topics no longer begin at their beginning."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to replay: files or, without any, the topics; up to where; and what becomes of the decisions."""

    files: Sequence[Path] = ()
    horizon: Instant | None = None
    against: Path | None = None
    write: Path | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A history that was decided afresh, and how long it took."""

    replay: Replay
    published: Published | None
    seconds: float
    ends: Mapping[Partition, int] = field(default_factory=dict)
    """Up to where each input partition was read, topics without prefix."""


async def replay(terminal: Terminal, settings: Settings, wish: Wish) -> Differences:
    """Decide afresh, and compare with what was published or stands in a file; or write the decisions to one."""
    if wish.files:
        done = replay_files(terminal, settings, wish.files, wish.horizon)
    else:
        done = await replay_topics(terminal, settings, wish.horizon)
    made = done.replay
    if wish.write is not None:
        write_decisions(wish.write, made.net.values())
        differences = Differences(len(made.net), written_to=wish.write)
    elif wish.against is not None:
        differences = compare(made.net, {each["decision_id"]: each for each in read_decisions(wish.against)})
    else:
        published = done.published
        if published is None:
            with terminal.bars() as progress:
                published = read_published(settings, progress)
        differences = compare(made.net, published.net, made.standings, published.standings)
        for letter in made.refused if not wish.files else ():
            value = orjson.loads(letter.value)
            differences.add("would be a dead letter", value, f"{value['reason']}: {value['detail']}")
    for account_id, why in sorted(made.quarantined.items()):
        differences.add("cannot be judged", {"account_id": account_id}, why)
    differences.facts, differences.seconds, differences.horizon = made.facts, done.seconds, made.horizon
    return differences


def write_decisions(file: Path, decisions: Iterable[Value]) -> None:
    """Decisions as JSON lines by their instants, without what is not compared."""
    lines = sorted((each["effective_at"], each["decision_id"], orjson.dumps(compared(each))) for each in decisions)
    with naming(file):
        file.write_bytes(b"".join(line + b"\n" for _, _, line in lines))


def read_decisions(file: Path) -> list[Value]:
    """What `write_decisions` wrote; raises BadHistory for what it cannot have written."""
    with naming(file):
        lines = file.read_bytes().splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            decision: Value = orjson.loads(line)
            subject = decision["account_id"] if "account_id" in decision else decision["company"]["key"]
            said = (subject, *(decision[name] for name in ("decision_id", "kind", "effective_at")))
            if not all(isinstance(each, str) for each in said):
                raise TypeError("a decision's id, kind, subject and instant are texts")
        except (ValueError, KeyError, TypeError) as error:
            shape = "a line is a decision, as `standing replay --write` writes it"
            raise BadHistory(f"{file}, line {number + 1}: {error!r}; {shape}") from error
        found.append(decision)
    return found


async def replay_topics(terminal: Terminal, settings: Settings, horizon: Instant | None) -> Replayed:
    """Decide the input topics from their starts; compare up to the live horizon, or to one that is given."""
    policies = load_policies(settings.policies)
    live = horizon if horizon is not None else await _live_horizon(settings)
    quiet_collector()
    with terminal.bars() as progress:
        published = read_published(settings, progress)
        known = [at for at in (live, published.silence_until if horizon is None else None) if at is not None]
        prefix = settings.topic_prefix
        inputs = WholeTopics(settings.kafka, settings.group, [prefix + topic for topic in INPUT_TOPICS])
        _check_starts(inputs)
        names = {place: (place[0].removeprefix(prefix), place[1]) for place in inputs.ends}
        places, until = every_partition(names.values()), max(known, default=None)
        replay = Replay(policies, until, places, settings.max_record_bytes, frozenset(published.dead))
        begun = time.perf_counter()
        task = progress.add_task("deciding", total=inputs.total)
        open_places = set(names)
        for chunk in inputs.read():
            replay.take_in({names[place]: records for place, records in chunk.items()})
            for place in open_places - inputs.unread():
                replay.ended(names[place])
            open_places &= inputs.unread()
            progress.update(task, completed=inputs.done)
        replay.finish()
    ends = {names[place]: end for place, end in inputs.ends.items()}
    return Replayed(replay, published, time.perf_counter() - begun, ends)


def read_published(settings: Settings, progress: Bars) -> Published:
    """All that the output topics hold."""
    prefix = settings.topic_prefix
    outputs = WholeTopics(settings.kafka, settings.group, [prefix + topic for topic in OUTPUT_TOPICS])
    task = progress.add_task("published", total=outputs.total)
    published = Published()
    for chunk in outputs.read():
        for (topic, _), records in chunk.items():
            published.add(topic.removeprefix(prefix), records)
        progress.update(task, completed=outputs.done)
    return published.settled()


def _check_starts(inputs: WholeTopics) -> None:
    if not inputs.ends:
        raise BadHistory(f"there are no input topics at {inputs.kafka}; `standing setup` makes them")
    cut = [f"{topic}/{partition} begins at {start}" for (topic, partition), start in inputs.starts.items() if start]
    if cut:
        raise BadHistory(
            f"the topics do not hold the whole history any more, so no replay can be right: {', '.join(cut)}"
        )


async def _live_horizon(settings: Settings) -> Instant | None:
    """Up to where silence is judged live, where the database says so; None where it does not answer."""
    try:
        connection = await connect(settings.database_url.get_secret_value(), timeout=LIMIT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return None
    try:
        await connect_types(connection)
        row = await connection.fetchrow(statement("progress"), timeout=LIMIT_SECONDS)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close(timeout=LIMIT_SECONDS)
    if row is None or row["complete_until"] is None or row["compared_until"] is None:
        return None
    return int(min(row["complete_until"], row["compared_until"])) - settings.settle


def replay_files(terminal: Terminal, settings: Settings, files: Sequence[Path], horizon: Instant | None) -> Replayed:
    """Decide JSONL files, as `standing generate --out` writes them, one after the other."""
    policies = load_policies(settings.policies)
    records = [record for file in files for record in read_jsonl(file)]
    until = _newest(records, Decoder(policies, settings.max_record_bytes))
    if horizon is None and until is not None:
        horizon = until - settings.settle
    places: list[Partition] = [(topic, 0) for topic in INPUT_TOPICS]
    replay = Replay(policies, horizon, places, settings.max_record_bytes)
    quiet_collector()
    begun = time.perf_counter()
    with terminal.bars() as progress:
        task = progress.add_task("deciding", total=len(records))
        for first in range(0, len(records), CHUNK):
            chunk: dict[Partition, list[FetchedRecord]] = {}
            for record in records[first : first + CHUNK]:
                chunk.setdefault((record.topic, 0), []).append(record)
            replay.take_in(chunk)
            progress.update(task, completed=first + CHUNK)
        replay.finish()
    return Replayed(replay, None, time.perf_counter() - begun)


def read_jsonl(file: Path) -> Iterator[FetchedRecord]:
    """The messages of a file: `topic`, `key`, and `value` or, of what is no JSON, `raw` in base64."""
    with naming(file), file.open("rb") as lines:
        for number, line in enumerate(lines):
            try:
                content = orjson.loads(line)
                topic, key = content["topic"], content["key"]
                value = (
                    b64decode(content["raw"], validate=True) if "raw" in content else orjson.dumps(content["value"])
                )
            except (ValueError, KeyError, TypeError) as error:
                shape = "a line is {topic, key, value}, as `standing generate --out` writes it"
                raise BadHistory(f"{file}, line {number + 1}: {error!r}; {shape}") from error
            if topic not in INPUT_TOPICS:
                raise BadHistory(f"{file}, line {number + 1}: {topic!r} is no input topic")
            yield FetchedRecord(topic, 0, number, 0, None if key is None else str(key).encode(), value, ())


def _newest(records: Sequence[FetchedRecord], decoder: Decoder) -> Instant | None:
    """The newest instant of a good message: the present of a history that is played."""
    now = WallClock().wall()
    newest: Instant | None = None
    for first in range(0, len(records), CHUNK):
        for topic in INPUT_TOPICS:
            some = [each for each in records[first : first + CHUNK] if each.topic == topic]
            latest = decoder.decode(topic, some, Batch(), now).latest
            newest = latest if newest is None else max(newest, latest or newest)
    return newest
