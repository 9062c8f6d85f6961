"""`standing relay --reconcile`: rebuilds a restored or lost database from the topics, publishing nothing twice.

It replays the input topics in memory and takes the published decisions with their sequence numbers from the output
topics. Only the differences are published once the workers run. One transaction writes everything while no worker
runs. If the database is complete and Kafka lost messages, `restore_kafka` restores them instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from contracts.fields import instant
from contracts.topics import Topic
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint, CheckpointLost, SetBack, compare_published
from workers.codec.messages import Message
from workers.codec.policies import load_policies
from workers.codec.terminations import read_terminations, termination_key, write_because
from workers.enforcement.outbox import Outbox
from workers.kafka.admin import Admin, TopicMissing, cluster_id
from workers.kafka.whole_topics import WholeTopics
from workers.lost_topics import find_lost, in_words, written_to
from workers.ops.clock import WallClock
from workers.ops.refused import Refused
from workers.ops.terminal import Terminal
from workers.recovery.decide_again import Replay
from workers.recovery.published_decisions import PublishedMessages, Subject, Value, compared, subject_of
from workers.recovery.rebuild_log import restore_log
from workers.recovery.rebuild_tables import append_log, empty_tables, fill_tables, move_heads
from workers.recovery.replay import Replayed, decide_topics, read_published, whole_inputs
from workers.recovery.restore_kafka import Restored, restore
from workers.recovery.snapshot import Judged
from workers.rules.calendar import written
from workers.rules.company import Termination, case_details, company_decisions
from workers.rules.decisions import Because
from workers.rules.difference import Published, difference
from workers.settings import Settings
from workers.store.connections import connect, connect_types
from workers.store.deployment import Wanted, adopt, check_same_deployment, known_topics
from workers.store.log_parts import extend_log
from workers.store.records import AccountRow, Changes, CompanyRow, CurrentDecision, Fanout, ShardHead
from workers.store.statements import statement
from workers.store.transaction import read_progress
from workers.wiring import wanted


class StillWorking(Refused):
    """Workers are connected to the database, or published in the meantime."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The counts of a rebuilt database."""

    facts: int
    messages: int
    """Published messages that were restored to the log."""
    accounts: int
    """Accounts whose published decisions differ; the timers judge them again."""
    unpublished: int
    """Messages about companies and dead letters that the relay will publish."""

    def in_words(self) -> list[str]:
        """The result and the next step as lines of text."""
        return [
            f"{self.facts:,} facts replayed; {self.messages:,} published messages restored to the log",
            f"to be published: {self.unpublished:,} messages, and the differences of {self.accounts:,} accounts",
            "now start the workers: standing work",
        ]


async def reconcile(terminal: Terminal, settings: Settings) -> Reconciled | Restored | None:
    """Rebuild the database from the topics, or restore what the topics lost; None if nothing is missing.

    Raises StillWorking, BadHistory (the input topics lack their beginning), Altered or DeploymentMismatch.
    """
    expected = wanted(settings, load_policies(settings.policies), await cluster_id(settings.kafka))
    connection = await connect(settings.database_url)
    try:
        await connect_types(connection)
        await check_same_deployment(connection, expected)
        await _check_no_workers(connection)
        known = written_to(await known_topics(connection))
        admin = Admin(settings.kafka)
        lost = await find_lost(admin, settings.topic_prefix, known)
        for line in in_words(lost):
            terminal.line(line)
        try:
            await compare_published(admin, settings.topic_prefix, connection)
            if not lost:
                return None
        except (CheckpointLost, TopicMissing) as error:
            terminal.line(f"{error}")
        except SetBack as set_back:
            if lost:
                raise
            terminal.line(f"{set_back}")
            return await _rebuild(terminal, settings, connection, expected)
        with terminal.bars() as progress:
            return await restore(settings, connection, list(lost), progress)
    finally:
        await connection.close()


async def _rebuild(terminal: Terminal, settings: Settings, connection: Any, expected: Wanted) -> Reconciled:
    """Rebuild the database from the topics."""
    checkpoints = _checkpoints(settings)
    incarnation = _incarnation(checkpoints)
    with terminal.bars() as progress:
        published = read_published(settings, progress)
    judged = await _judged(settings, connection, published)
    replayed = decide_topics(terminal, settings, whole_inputs(settings), published, judged)
    async with connection.transaction():
        await connection.execute(statement("no_time_limits"))
        await empty_tables(connection)
        await extend_log(connection, max(checkpoint.seq for checkpoint in checkpoints.values()))
        with terminal.bars() as progress:
            messages = await restore_log(connection, settings, checkpoints, incarnation, progress)
        heads = await _heads(connection, checkpoints)
        accounts, outbox = _adopt_published(replayed)
        rows, after = outbox.rows(incarnation, heads, len(heads))
        await fill_tables(connection, replayed.replay.store.tables, replayed.ends)
        await append_log(connection, rows)
        await move_heads(connection, after)
        await adopt(connection, incarnation, expected)
        await _check_no_workers(connection)
        if _checkpoints(settings) != checkpoints:
            raise StillWorking("a relay published in the meantime: stop all workers, also those of other databases")
    return Reconciled(replayed.replay.facts, messages, accounts, len(rows))


async def _check_no_workers(connection: Any) -> None:
    working = [row[0] for row in await connection.fetch(statement("processes_at_work"))]
    if working:
        raise StillWorking(f"stop all workers first; running: {', '.join(working)}")


async def _judged(settings: Settings, connection: Any, published: PublishedMessages) -> Judged:
    """Up to where deadlines are enforced: the watermark, which was at least at the latest deadline decision.

    Under a deadline hold each account is judged up to its own latest deadline decision.
    """
    found = await read_progress(connection)
    assert found is not None, "check_same_deployment found the row"
    progress, _ = found
    if progress.held is not None:
        return Judged(accounts=published.judged_until(load_policies(settings.policies).first_start))
    known = progress.watermark(settings.allowed_lateness)
    return Judged(known if published.deadline_until is None else max(known, published.deadline_until))


def _checkpoints(settings: Settings) -> dict[int, Checkpoint]:
    """The last checkpoint of every shard, including shards that no longer exist."""
    values: dict[int, bytes | None] = {}
    for chunk in WholeTopics(settings.kafka, settings.group, [settings.topic_prefix + CHECKPOINTS_TOPIC]).read():
        for (_, shard), records in chunk.items():
            values[shard] = records[-1].value
    return {shard: Checkpoint.decode(shard, value) for shard, value in sorted(values.items()) if value is not None}


async def _heads(connection: Any, checkpoints: Mapping[int, Checkpoint]) -> list[ShardHead]:
    """The heads of all shards: those of the database and those that were ever published."""
    count = max(await connection.fetchval(statement("count_shards")), *(shard + 1 for shard in checkpoints))
    return [
        ShardHead(shard, checkpoints[shard].seq + 1, checkpoints[shard].hash)
        if shard in checkpoints
        else ShardHead(shard, 1, b"")
        for shard in range(count)
    ]


def _incarnation(checkpoints: dict[int, Checkpoint]) -> UUID:
    found = {checkpoint.incarnation for checkpoint in checkpoints.values() if checkpoint.seq}
    if len(found) != 1:
        raise StillWorking(f"the checkpoints belong to several deployments: {', '.join(sorted(map(str, found)))}")
    return found.pop()


def _adopt_published(replayed: Replayed) -> tuple[int, Outbox]:
    """Replace the replayed decisions by the published ones; returns the count of accounts that differ, and an outbox
    with the other missing messages.
    """
    replay, published = replayed.replay, replayed.published
    tables = replay.store.tables
    assert published is not None
    made, tables.in_force = tables.in_force, _published_in_force(replay, published)
    accounts = 0
    for account_id in sorted(
        tables.accounts.keys() | {name for of_company, name in tables.in_force if not of_company}
    ):
        subject = (False, account_id)
        row = tables.accounts.get(account_id, AccountRow(account_id))
        row = row._replace(sequence=published.last_sequence(subject))
        decided, stands = _in_order(made.get(subject, {})), _in_order(tables.in_force.get(subject, {}))
        ours, theirs = (_standing(each.standings, account_id) for each in (replay, published))
        if decided != stands or ours != theirs:
            # due once there is a watermark
            row = row._replace(standing_digest=None, deferred=True, next_check=0, quiet_until=None)
            accounts += 1
        tables.accounts[account_id] = row
    changes = Changes()
    outbox = Outbox(WallClock().wall(), changes, {})
    for key, company in sorted(tables.companies.items()):
        tables.companies[key] = _adopt_company(company, replay, published, outbox)
    for of_company, name, decision_id in changes.withdrawn:
        del tables.in_force[of_company, name][decision_id]
    for each in changes.published:
        tables.in_force.setdefault(each[:2], {})[each.decision_id] = each
    outbox.messages += [
        Message(Topic.DEAD_LETTERS, row.key, row.subject, row.kind, row.value) for row in replay.refused
    ]
    return accounts, outbox


def _published_in_force(replay: Replay, published: PublishedMessages) -> dict[Subject, dict[str, CurrentDecision]]:
    """The published decisions in force; one that the replay decides differently has no content, so it differs."""
    contents = {
        each.decision_id: each.content for rows in replay.store.tables.in_force.values() for each in rows.values()
    }
    found: dict[Subject, dict[str, CurrentDecision]] = {}
    for name, value in published.in_force.items():
        subject = subject_of(value)
        same = name in replay.in_force and compared(replay.in_force[name]) == compared(value)
        content = contents[name] if same else b""
        at = instant(value["effective_at"])
        decision = CurrentDecision(*subject, name, value["kind"], at, value["sequence"], content)
        found.setdefault(subject, {})[name] = decision
    return found


def _in_order(in_force: Mapping[str, CurrentDecision]) -> list[tuple[str, bytes]]:
    """Decisions and their contents, as a subscriber sorts them."""
    ordered = sorted(in_force.values(), key=lambda each: (each.effective_at, each.sequence))
    return [(each.decision_id, each.content) for each in ordered]


def _standing(standings: Mapping[str, Value], account_id: str) -> Value:
    """The compared fields of an account's standing, as in `Standing.compared`."""
    value = standings.get(account_id, {})
    left_out = {"recorded_at", "sequence"} | ({"deadline"} if value.get("standing") == "active" else set())
    return {name: each for name, each in value.items() if name not in left_out}


def _adopt_company(row: CompanyRow, replay: Replay, published: PublishedMessages, outbox: Outbox) -> CompanyRow:
    """Publish what is missing of a company; start its fan-out again if its completion was not published."""
    key, subject = row.company_key, (True, row.company_key)
    terminations = read_terminations(row.terminations)
    stands = replay.store.tables.in_force.get(subject, {}).values()
    before = [Published(each[2], each[3], each[4], each[5], each[6]) for each in stands]
    names = [value["company"]["name"] for value in published.values_of(subject)]
    name = terminations[-1].upheld.company_name if terminations else names[-1] if names else ""
    found = difference(company_decisions(key, terminations), before)
    sequence = outbox.difference(key, found, published.last_sequence(subject), Because(), {"key": key, "name": name})
    completed = [termination_key(each) for each in terminations if _was_completed(each, subject, published)]
    if len(completed) < len(terminations):
        replay.store.tables.fanouts[key] = Fanout(key, row.version, "", False, write_because(Because()))
    return row._replace(sequence=sequence, completed=orjson.dumps(completed).decode())


def _was_completed(termination: Termination, subject: Subject, published: PublishedMessages) -> bool:
    upheld = termination.upheld
    details = {"effective_at": written(upheld.at), **case_details(upheld, termination)}
    return any(
        value["kind"] == "company_termination_completed" and details.items() <= value.items()
        for value in published.values_of(subject)
    )
