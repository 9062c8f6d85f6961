"""What an order costs with ever more accounts: the tables are filled by COPY, as if the engine had written them.

The engine itself writes the rows of one account. The rows of every other account are these with its own ids and
digests in them, whatever columns the tables have. Then the engine judges some of them again and must find nothing to
publish.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.deployment import PARTITIONS, Deployment, counted
from benchmarks.measure import Cost, Figure
from benchmarks.messages import ENROLLED, enrolment, order, orders, seller
from benchmarks.throughput import COLUMNS, ENGINE, cells, run
from contracts.fields import instant
from workers.codec.policies import load_policies
from workers.devservers.stack import LocalServers
from workers.enforcement.evaluate import standing_digest
from workers.rules.facts import Company, EffectiveOrder, History, OrderSpan, RegistryFact
from workers.rules.judge import judge
from workers.settings import Settings
from workers.wiring import open_worker

SIZES = (10_000, 1_000_000, 10_000_000)
TABLES = ("accounts", "account_clocks", "facts", "order_spans", "current_decisions", "companies", "memberships")
FIRST_ORDER = "2016-03-01T11:00:00+08:00"
MEMBERS = 3
CHUNK = 50_000
JUDGED_AGAIN = 100
DISK = "select relname, pg_table_size(oid), pg_indexes_size(oid) from pg_class where relname = any($1)"


@dataclass(frozen=True, slots=True)
class Grown:
    """One size: how long filling took, what an order cost, and the bytes of each table and its indexes."""

    accounts: int
    filled_seconds: float
    cost: Cost
    disk: Mapping[str, tuple[int, int]]


def growth(console: Console, servers: LocalServers, sizes: Sequence[int], messages: int) -> list[Figure]:
    """Figures of uniform orders, read by two ingests, over each number of accounts."""
    found = [asyncio.run(_size(console, servers, accounts, messages)) for accounts in sizes]
    table = Table("accounts", "filled in s", "orders/s", *COLUMNS, "tables MB", "indexes MB", title="growth")
    for each in found:
        tables, indexes = map(sum, zip(*each.disk.values(), strict=True))
        disk = (f"{tables / 1e6:,.0f}", f"{indexes / 1e6:,.0f}")
        filled, rate = f"{each.filled_seconds:.0f}", f"{each.cost.rate:,.0f}"
        table.add_row(f"{each.accounts:,}", filled, rate, *cells(each.cost), *disk)
    console.print(table)
    disk_table = Table("table", *(f"{each.accounts:,}: table, indexes MB" for each in found))
    for name in TABLES:
        sizes_of = ([f"{size / 1e6:,.0f}" for size in each.disk[name]] for each in found)
        disk_table.add_row(name, *map(", ".join, sizes_of))
    console.print(disk_table)
    rates = {each.accounts: each.cost.rate for each in found}
    figures = [
        Figure(f"orders, {accounts:,} accounts", rate, "a second", at_least=90_000 if accounts == 10**6 else None)
        for accounts, rate in rates.items()
    ]
    if {10**6, 10**7} <= rates.keys():
        ratio = rates[10**7] / rates[10**6]
        figures.append(Figure("orders, ten million accounts beside one million", ratio, "times", at_least=0.75))
    return figures


async def _size(console: Console, servers: LocalServers, accounts: int, messages: int) -> Grown:
    deployment = Deployment(servers, f"growth{accounts}")
    deployment.set_up()
    with deployment.running("workers.cli", "work"):
        deployment.send(
            [
                enrolment(seller(0), _company(0).key.removeprefix("id:")),
                order(seller(0), _first_order(seller(0)), FIRST_ORDER),
            ]
        )
        deployment.run("workers.cli", "drain", "--timeout", "60")
    connection = await deployment.connect()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=console) as progress:

        def bar(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(f"{accounts:,} accounts: {what}", total=total)
            return lambda done: progress.update(task, completed=done)

        began = time.monotonic()
        await fill(connection, accounts, bar("filled", accounts))
        filled = time.monotonic() - began
        await _judge_again(deployment, accounts)
        deployment.send(counted(orders(accounts, 1, messages), bar("orders sent", messages)))
        await connection.execute("checkpoint")
        spent = await run(deployment, connection, ENGINE, 2, 1 + messages, bar("orders read", messages))
    disk = {name: (table, indexes) for name, table, indexes in await connection.fetch(DISK, TABLES)}
    await connection.close()
    return Grown(accounts, filled, spent, disk)


# -- the rows ------------------------------------------------------------------------------------------------------


async def fill(connection: asyncpg.Connection, accounts: int, filled: Callable[[int], None]) -> None:
    """Replace the one account of a deployment by `accounts` with the same history; in one transaction."""
    names = _namer()
    patterns = {table: await _pattern(connection, table, names(0)) for table in TABLES}

    def lines(first: int) -> dict[str, bytes]:
        named = [names(number) for number in range(first, min(first + CHUNK, accounts))]
        by_table = dict.fromkeys(TABLES, named) | {"companies": named[-first % MEMBERS :: MEMBERS]}
        return {
            table: "".join([pattern % each for each in by_table[table]]).encode()
            for table, pattern in patterns.items()
        }

    async with connection.transaction():
        await connection.execute(f"truncate {', '.join(TABLES)}")
        written = await asyncio.to_thread(lines, 0)
        for first in range(0, accounts, CHUNK):
            following = asyncio.create_task(asyncio.to_thread(lines, first + CHUNK))
            for table, content in written.items():
                await connection.copy_to_table(table, source=BytesIO(content), freeze=True)
            written = await following
            filled(min(first + CHUNK, accounts))


async def _pattern(connection: asyncpg.Connection, table: str, names: Mapping[str, str]) -> str:
    """The line of a table's only row as COPY writes it, with places for the names of another account."""
    found = BytesIO()
    await connection.copy_from_table(table, output=found)
    line = found.getvalue().decode().replace("%", "%%")
    assert line.count("\n") == 1, f"{table} has more or fewer rows than one"
    for name, value in names.items():
        line = line.replace(value, f"%({name})s")
    return line


def _namer() -> Callable[[int], dict[str, str]]:
    """What differs between the rows of two accounts: ids, and digests in hexadecimal."""
    at, first_at = instant(ENROLLED), instant(FIRST_ORDER)
    first = EffectiveOrder(first_at, _first_order(seller(0)))
    fact = RegistryFact(at, _event(seller(0)), "enrolled", _company(0))
    history = History(registry=(fact,), orders=(OrderSpan(first, first),))
    judgement = judge(seller(0), history, {_company(0).key: ()}, load_policies(Settings().policies), first_at)
    standing, [enrolled] = judgement.standing, judgement.decisions
    assert standing is not None
    [evidence] = enrolled.evidence

    def names(number: int) -> dict[str, str]:
        account, company = seller(number), _company(number)
        of_account = (replace(evidence, id=_event(account), account_id=account),)
        decision = replace(enrolled, subject=account, company=company, cause=_event(account), evidence=of_account)
        return {
            "account": account,
            "company": company.key.removeprefix("id:"),
            "decision_id": decision.id,
            "decision_digest": decision.content.hex(),
            "standing_digest": standing_digest(replace(standing, company=company)).hex(),
        }

    return names


def _company(number: int) -> Company:
    company_id = f"c{number // MEMBERS:08d}"
    return Company(f"id:{company_id}", f"Trading house {company_id}")


def _event(account: str) -> str:
    return f"enrol-{account}"


def _first_order(account: str) -> str:
    return f"first-of-{account}"


async def _judge_again(deployment: Deployment, accounts: int) -> None:
    """Let the engine judge some accounts by what is stored; raises AssertionError if it would publish anything."""
    settings = Settings(
        kafka_bootstrap=deployment.servers.bootstrap,
        database_url=deployment.url,
        topic_prefix=deployment.prefix,
        partitions=PARTITIONS,
        clock="events",
        allowed_lateness_seconds=0,
    )
    some = [seller(number) for number in range(0, accounts, max(1, accounts // JUDGED_AGAIN))]
    async with open_worker(settings, "growth") as worker:
        done = await worker.enforcement.judge_again(some)
    assert (done.judged, done.messages, done.quarantined) == (len(some), 0, {}), done
