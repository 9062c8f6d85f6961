"""A deployment on a real database, without Kafka: messages are handed to the engine, time is moved by hand."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from contracts.topics import INPUT_TOPICS
from tests.support.rules_engine import Message, from_scratch
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.policies import read_policies
from workers.enforcement.position_moves import Move
from workers.enforcement.process import Done, Enforcement
from workers.ops.clock import WallClock
from workers.rules.calendar import Instant, written
from workers.rules.policy import Policies
from workers.store.connections import connect, open_pool
from workers.store.deployment import Wanted, load_deployment, policies_text, set_up
from workers.store.postgres import Store
from workers.store.records import LogRow, Position

SHARDS = 3
WIDE = 2**60
MOST_ROUNDS = 1000
"""Of the timers, in one `reaches`; no test needs a tenth of them."""


def policies_of(*texts: str) -> Policies:
    """Policies from the text of their files."""
    return read_policies([(f"{number}.toml", text.encode()) for number, text in enumerate(texts)])


def wanted(policies: Policies, **changes: Any) -> Wanted:
    """What a worker with these policies wants of its database."""
    known: dict[str, Any] = {
        "kafka_cluster_id": "cluster",
        "topic_prefix": "",
        "consumer_group": "standing",
        "input_topics": INPUT_TOPICS,
        "input_partitions": 2,
        "shards": SHARDS,
        "rules_version": 1,
        "tzdata_version": "2025.1",
        "policies": [(each.stamp.id, each.stamp.digest, each.effective_from) for each in policies.all],
    }
    return Wanted(**(known | changes))


def expected(made: Wanted) -> dict[str, object]:
    """What its row must say, by column."""
    columns = asdict(made) | {"policies": policies_text(made.policies)}
    return {name: value for name, value in columns.items() if name not in ("input_topics", "shards")}


@dataclass
class DatabaseDeployment:
    """A database that was set up, and one worker's view of it."""

    pool: asyncpg.Pool
    store: Store
    enforcement: Enforcement
    policies: Policies
    incarnation: Any
    positions: dict[tuple[str, int], Position]
    read: list[Message] = field(default_factory=list)

    async def reads(self, *messages: Message, partition: int = 0) -> Done:
        """One batch: every message is read from one partition of its topic."""
        batch, moves = self.decoded(messages, partition)
        done = await self.enforcement.process_batch(batch, moves)
        for each in moves:
            self.positions[each.after[:2]] = each.before._replace(next_offset=each.after.next_offset)
        self.read += messages
        return done

    def decoded(self, messages: Sequence[Message], partition: int = 0) -> tuple[Batch, list[Move]]:
        """What `messages` say, and the moves of the positions behind them."""
        batch, moves = Batch(), []
        decoder = Decoder(self.policies, 1 << 20)
        for topic in sorted({topic for topic, _ in messages}):
            position = self.positions[topic, partition]
            contents = [content for each, content in messages if each == topic]
            decoder.decode(topic, records(topic, partition, position.next_offset, contents), batch, WIDE)
            following = position.next_offset + len(contents)
            latest = max(content["occurred_at"] for content in contents)
            moves.append(Move(position, position._replace(next_offset=following, latest_occurred_at=latest)))
        return batch, moves

    async def reaches(self, watermark: Instant) -> None:
        """Everything up to the watermark was read; the timers enforce what deadlines decide up to it."""
        await self.move_watermark(watermark)
        for _ in range(MOST_ROUNDS):
            if not (await self.enforcement.process_due(7)).accounts:
                return
        raise AssertionError("the timers come to no end")

    async def move_watermark(self, watermark: Instant) -> None:
        """Everything up to the watermark was read."""
        await self.pool.execute("update positions set watermark = $1", watermark)
        await self.store.compared_partitions(watermark)

    async def fanouts(self, chunk: int = 3) -> None:
        """The fan-out worker reaches the end of all that is under way."""
        while (fanout := await self.store.claim_fanout(0.0)) is not None:
            await self.enforcement.process_fanout(fanout, chunk)

    async def log(self) -> list[LogRow]:
        """The whole decision log, shard by shard."""
        return [row for shard in range(SHARDS) for row in await self.store.read_log(shard, 0, 1_000_000)]

    async def values(self, kind: str) -> list[Mapping[str, Any]]:
        """The values of every message of a kind, in the order of the log."""
        return [json.loads(row.value) for row in await self.log() if row.kind == kind]

    async def net(self) -> dict[str, str]:
        """Kind by decision id, of what was published and not withdrawn, as the log says."""
        found: dict[str, str] = {}
        for row in await self.log():
            value = json.loads(row.value)
            if "withdraws" in value:
                del found[value["withdraws"]]
            elif "decision_id" in value:
                assert value["decision_id"] not in found, value
                found[value["decision_id"]] = row.kind
        return found

    async def check(self, watermark: Instant) -> None:
        """All that was decided is what judging every message at once decides, field by field."""
        decisions, judgements = from_scratch(self.read, self.policies, watermark)
        stored = await self.pool.fetch(
            "select of_company, subject, decision_id::text, kind, content from current_decisions "
            "order by of_company, subject, effective_at, sequence"
        )
        decisions.sort(key=lambda each: (each.kind.startswith("company_"), each.subject))  # each's in its own order
        assert [tuple(row)[1:] for row in stored] == [(d.subject, d.id, d.kind, d.content) for d in decisions]
        assert await self.net() == {d.id: d.kind for d in decisions}
        rows = await self.pool.fetch("select account_id, standing from accounts")
        assert dict(map(tuple, rows)) == {name: each.status for name, each in judgements.items()}


def records(topic: str, partition: int, first_offset: int, contents: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Records of one partition with these contents; an instant is written as the contract has it."""
    return [
        SimpleNamespace(
            topic=topic,
            partition=partition,
            offset=first_offset + index,
            timestamp=content["occurred_at"] // 1000,
            key=content["account_id"].encode(),
            value=json.dumps({**content, "occurred_at": written(content["occurred_at"])}).encode(),
            headers=(),
        )
        for index, content in enumerate(contents)
    ]


class Broken(Exception):
    """What a defect in the rules would raise."""


def break_for(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, account_id: str) -> None:
    """Let a function of the rules raise for one account."""
    real = getattr(module, name)

    def broken(first: str, *arguments: Any) -> Any:
        if first == account_id:
            raise Broken(account_id)
        return real(first, *arguments)

    monkeypatch.setattr(module, name, broken)


@asynccontextmanager
async def deployed(url: str, policies: Policies, connections: int = 6) -> AsyncIterator[DatabaseDeployment]:
    """A fresh deployment in the empty database at `url`, its partitions claimed."""
    asked = wanted(policies)
    connection = await connect(url)
    await set_up(connection, asked, 0)
    await connection.close()
    pool = await open_pool(url, name="test", connections=connections)
    try:
        deployment = await load_deployment(pool, expected(asked))
        store = Store(pool, deployment.fingerprint)
        enforcement = Enforcement(store, policies, WallClock(), 0, deployment.incarnation, deployment.shards)
        places = [(topic, number) for topic in INPUT_TOPICS for number in range(2)]
        claimed = await store.claim_positions(places, "test")
        positions = {(each.topic, each.partition): each for each in claimed}
        yield DatabaseDeployment(pool, store, enforcement, policies, deployment.incarnation, positions)
    finally:
        await pool.close()
