"""What a batch costs, in counters that are the same on every machine; the benchmark measures times.

`MOST` has a line for each kind of batch. Change it with the code that makes a batch cheaper or dearer.
"""

from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

import asyncpg
import pytest

from tests.model.story import enrolled, local, order
from tests.support.companies import claimed, upheld
from tests.support.database_deployment import DatabaseDeployment, deployed, policies_of
from tests.support.policies import SAMPLE
from workers.enforcement.process import Done
from workers.kafka.transactional_producer import Outgoing, TransactionalProducer
from workers.relay import CHUNK, Shard
from workers.store.records import LogRow, ShardHead

ACCOUNTS = 500
NAMES = [f"seller-{number:08d}" for number in range(ACCOUNTS)]
WAL = "select wal_records, wal_bytes::bigint from pg_stat_get_backend_wal(pg_backend_pid())"
CLIENT_CALLS = ("execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table")


class Cost(NamedTuple):
    """What one batch of ACCOUNTS accounts costs."""

    statements: int
    """BEGIN, COPY and COMMIT among them."""
    rows: float
    """That PostgreSQL returns, for each account."""
    wal_records: float
    """For each account."""
    wal_bytes: float
    """For each account; no page was written before the last checkpoint, which would add its image."""


MOST = {
    "enrolments": Cost(statements=27, rows=1.4, wal_records=19, wal_bytes=3900),
    "first orders": Cost(statements=10, rows=1.01, wal_records=4.3, wal_bytes=450),
    "orders that move the clock": Cost(statements=6, rows=0.01, wal_records=1.1, wal_bytes=115),
    "orders inside a span": Cost(statements=8, rows=2.01, wal_records=2.1, wal_bytes=120),
    "suspensions": Cost(statements=16, rows=7.4, wal_records=13.5, wal_bytes=4500),
    "terminations": Cost(statements=27, rows=4.1, wal_records=9.5, wal_bytes=3100),
}


@dataclass
class Counters:
    """What the client sent to PostgreSQL and got back."""

    statements: int = 0
    rows: int = 0


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    """Counts the calls of every connection of asyncpg."""
    found = Counters()

    def counted(call: Any) -> Any:
        async def count(*given: Any, **options: Any) -> Any:
            result = await call(*given, **options)
            found.statements += 1
            found.rows += len(result) if isinstance(result, list) else 0
            return result

        return count

    for name in CLIENT_CALLS:
        monkeypatch.setattr(asyncpg.Connection, name, counted(getattr(asyncpg.Connection, name)))
    return found


@pytest.fixture
async def deployment(database_url: str) -> AsyncIterator[DatabaseDeployment]:
    """A deployment with one connection, whose WAL PostgreSQL counts apart from that of its own processes.

    The next checkpoint is far away: the pages that a batch changes are not written whole.
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute("checkpoint")
    await connection.close()
    async with deployed(database_url, policies_of(SAMPLE.read_text()), connections=1) as made:
        yield made


async def cost(deployment: DatabaseDeployment, counters: Counters, work: Awaitable[Done]) -> Cost:
    """What a unit of work costs; all ACCOUNTS must be in it."""
    records, written = await wal(deployment)
    statements, rows = counters.statements, counters.rows
    assert (await work).accounts == ACCOUNTS
    statements, rows = counters.statements - statements, counters.rows - rows
    after = await wal(deployment)
    return Cost(statements, rows / ACCOUNTS, (after[0] - records) / ACCOUNTS, (after[1] - written) / ACCOUNTS)


async def wal(deployment: DatabaseDeployment) -> tuple[int, int]:
    """WAL records and bytes of the deployment's connection so far."""
    await deployment.pool.execute("select pg_stat_force_next_flush()")
    ((records, written),) = await deployment.pool.fetch(WAL)
    return records, written


async def test_no_batch_costs_more_than_it_may(deployment: DatabaseDeployment, counters: Counters) -> None:
    def orders(day: str) -> Awaitable[Done]:
        return deployment.reads(*(order(day, name, f"order-{day}") for name in NAMES))

    registry = [enrolled("2016-03-01", name, f"c{index // 3}") for index, name in enumerate(NAMES)]
    found = {
        "enrolments": await cost(deployment, counters, deployment.reads(*registry)),
        "first orders": await cost(deployment, counters, orders("2016-03-02")),
        "orders that move the clock": await cost(deployment, counters, orders("2016-03-04")),
        "orders inside a span": await cost(deployment, counters, orders("2016-03-03")),
    }
    await deployment.reaches(local("2016-08-30"))  # the notices are given
    await deployment.move_watermark(local("2016-09-01"))
    found["suspensions"] = await cost(deployment, counters, deployment.enforcement.process_due(ACCOUNTS))
    assert set(await standings(deployment)) == {"suspended"}
    await deployment.reads(*(enrolled("2016-09-02", name.replace("seller", "member"), "large") for name in NAMES))
    await deployment.reads(upheld("2016-09-03", f"member-{ACCOUNTS - 1:08d}"))
    found["terminations"] = await cost(deployment, counters, judge_members(deployment))
    exceeded = {
        f"{kind}, {name}": (spent, most)
        for kind, costs in found.items()
        for name, spent, most in zip(Cost._fields, costs, MOST[kind], strict=True)
        if spent > most
    }
    assert not exceeded, found


async def judge_members(deployment: DatabaseDeployment) -> Done:
    """All members of the company that is terminated."""
    return await deployment.enforcement.process_fanout(await claimed(deployment), ACCOUNTS)


async def standings(deployment: DatabaseDeployment) -> list[str]:
    """Of every account."""
    return [row[0] for row in await deployment.pool.fetch("select standing from accounts")]


@dataclass
class PlayedProducer:
    """Keeps how many messages each transaction had, that of the checkpoint among them."""

    transactions: list[int] = field(default_factory=list)

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        self.transactions.append(len(list(messages)))


@pytest.mark.parametrize(
    ("rows", "transactions"), [(1, [2]), (CHUNK, [CHUNK + 1]), (2 * CHUNK + 1, [CHUNK + 1, CHUNK + 1, 2])]
)
async def test_the_relay_publishes_what_waits_in_as_few_transactions_as_it_may(
    deployment: DatabaseDeployment, rows: int, transactions: list[int]
) -> None:
    name, value = "seller-00000001", b"{}" * 500
    log = [
        LogRow(0, seq, b"hash", "suspensions", name.encode(), "[]", value, None, name, "account_suspended", None, 0)
        for seq in range(1, rows + 1)
    ]
    async with deployment.store.transaction() as transaction:
        await transaction.lock_shards([0])
        await transaction.append(log, [ShardHead(0, rows + 1, b"hash")])
    producer = PlayedProducer()

    async def compare() -> None:
        """Nothing was lost."""

    played = cast("TransactionalProducer", producer)
    shard = Shard(0, deployment.store, played, UUID(int=1), "", 8, compare)
    while await shard.publish_some():
        pass
    assert producer.transactions == transactions
