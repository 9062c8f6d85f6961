"""Order messages a second: the engine, the hand-written loop and the plain handler, in turn, with one final state.

The engine runs as `standing work` does, with several ingest workers, and with one alone beside the hand-written loop,
which is one process too.
"""

import asyncio
import time
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random

import asyncpg

from benchmarks.deployment import Deployment, enrolments, value
from benchmarks.measure import Cost, cost, read, resident_bytes
from workers.devservers.stack import LocalServers
from workers.settings import Settings

BEGIN = datetime(2016, 3, 2, tzinfo=UTC)
PLAIN_MESSAGES = 4000
ROUNDS = 4
ENGINES = "engine"
ALONE = "engine, one ingest"
LOOP = "hand-written loop"

ENGINE = "select sum(next_offset)::bigint from positions where topic = 'order-status'"
EPOCHS = "select max(epoch) from positions where topic = 'order-status'"
OWNERS = "select count(distinct owner) from positions where topic = 'order-status' and epoch > $1"
HAND = "select coalesce(sum(next_offset), 0)::bigint from hand_positions"
PLAIN = "select coalesce(sum(read), 0)::bigint from plain_done"


def orders(accounts: Sequence[str], first: int, count: int, zipf: bool) -> Iterator[tuple[str, str, bytes]]:
    """Orders that become effective, a second apart; all accounts alike, or a few busy ones (Zipf, exponent 1)."""
    random = Random(first)  # noqa: S311
    weights = list(accumulate(1 / rank for rank in range(1, len(accounts) + 1))) if zipf else []
    for number in range(first, first + count):
        at = (BEGIN + timedelta(seconds=number)).isoformat().replace("+00:00", ".000000Z")
        index = bisect(weights, random.random() * weights[-1]) if zipf else random.randrange(len(accounts))
        account = accounts[index]
        yield (
            "order-status",
            account,
            value(
                event_id=f"event-{number:09d}",
                order_id=f"order-{number:09d}",
                account_id=account,
                status="awaiting_shipment",
                previous_status="awaiting_prepayment",
                occurred_at=at,
                amount={"value": "1250.00", "currency": "USD"},
            ),
        )


async def compare(
    servers: LocalServers, name: str, accounts: int, messages: int, zipf: bool
) -> Mapping[str, list[Cost]]:
    """Costs of each system by round; raises AssertionError where their final states differ."""
    deployment = Deployment(servers, name)
    deployment.set_up()
    sellers = [f"seller-{number:07d}" for number in range(accounts)]
    deployment.send(
        enrolments(sellers, [f"c{number // 3}" for number in range(accounts)], "2016-03-01T10:00:00+08:00")
    )
    connection = await deployment.connect()
    found: dict[str, list[Cost]] = {"enrolment": [], ENGINES: [], ALONE: [], LOOP: [], "plain handler": []}
    enrolled = "select sum(next_offset)::bigint from positions where topic = 'seller-accounts'"
    found["enrolment"].append(await _until(deployment, connection, enrolled, accounts, "workers.cli", "ingest"))
    share = messages // ROUNDS
    for number in range(ROUNDS):
        deployment.send(orders(sellers, number * share, share, zipf))
        target = (number + 1) * share
        many = number % 2 == 0
        systems = [
            (ENGINES if many else ALONE, ENGINE, "workers.cli", "ingest", Settings().ingests if many else 1),
            (LOOP, HAND, "benchmarks.handwritten", "", 1),
        ]
        for system, progress, module, argument, count in systems if number < ROUNDS // 2 else systems[::-1]:
            found[system].append(await _until(deployment, connection, progress, target, module, argument, count))
    await _same_state(connection, "hand_accounts", "a.account_id")
    found["plain handler"].append(await _plain(servers, f"{name}p", sellers, zipf))
    await connection.close()
    return found


async def _plain(servers: LocalServers, name: str, sellers: Sequence[str], zipf: bool) -> Cost:
    """The plain handler on a small share of the same orders, its state compared with the engine's own."""
    deployment = Deployment(servers, name)
    deployment.set_up()
    some = sellers[:1000]
    deployment.send(enrolments(some, some, "2016-03-01T10:00:00+08:00"))
    deployment.send(orders(some, 0, PLAIN_MESSAGES, zipf))
    connection = await deployment.connect()
    spent = await _until(deployment, connection, PLAIN, PLAIN_MESSAGES, "benchmarks.plain", "")
    await _until(deployment, connection, ENGINE, PLAIN_MESSAGES, "workers.cli", "ingest")
    await _same_state(connection, "plain_accounts", "a.account_id")
    await connection.close()
    return spent


async def _until(
    deployment: Deployment,
    connection: asyncpg.Connection,
    progress: str,
    target: int,
    module: str,
    argument: str,
    processes: int = 1,
) -> Cost:
    """Run a system, of some processes, from the first batch committed with all of them at work to the last."""
    before_any = await connection.fetchval(EPOCHS) if processes > 1 else 0
    with ExitStack() as stack:
        running = [
            stack.enter_context(deployment.running(module, *filter(None, [argument]))) for _ in range(processes)
        ]
        pids = [process.pid for process in running]
        owners = 0 if processes > 1 else 1
        while owners < processes:
            await asyncio.sleep(0.005)
            owners = await connection.fetchval(OWNERS, before_any)
        start = now = await _progress(connection, progress)
        while now <= start:
            await asyncio.sleep(0.005)
            now = await _progress(connection, progress)
        began, first = time.monotonic(), now
        before = await read(connection, deployment.servers, pids)
        while await _progress(connection, progress) < target:
            assert all(process.poll() is None for process in running), f"{module} ended"
            await asyncio.sleep(0.005)
        seconds = time.monotonic() - began
        after = await read(connection, deployment.servers, pids)
        return cost(max(1, target - first), seconds, before, after, sum(map(resident_bytes, pids)))


async def _progress(connection: asyncpg.Connection, query: str) -> int:
    try:
        return await connection.fetchval(query) or 0
    except asyncpg.UndefinedTableError:
        return 0


async def _same_state(connection: asyncpg.Connection, table: str, account_id: str) -> None:
    different = await connection.fetchval(
        f"select count(*) from accounts a full join {table} b on b.account_id = {account_id} "  # noqa: S608
        "where a.last_effective_at is distinct from b.last_effective_at "
        "or a.last_order_id is distinct from b.last_order_id"
    )
    assert different == 0, f"{different} accounts differ between the engine and {table}"
