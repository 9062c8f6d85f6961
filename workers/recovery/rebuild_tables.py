"""Replaces all tables of a deployment, for a database that is rebuilt from the topics.

The caller holds the transaction and has checked that no worker runs. Afterwards no position has an owner, and the
watermark is unknown until all partitions were read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts.topics import Partition
from workers.recovery.memory_tables import Tables
from workers.store.keys import stored, stored_key
from workers.store.records import LogRow, ShardHead
from workers.store.statements import statement

CHUNK = 5000


async def empty_tables(connection: Any) -> None:
    """Empty all tables except those that record operators' actions: accepted, redriven, held."""
    await connection.execute(statement("empty_tables"))


async def fill_tables(connection: Any, tables: Tables, ends: Mapping[Partition, int]) -> None:
    """Write the tables of a history that was read up to `ends`; `append_log` writes the log."""
    accounts = [row.tables() for row in tables.accounts.values()]
    await _copy(connection, "accounts", (account for account, _ in accounts))
    await _copy(connection, "account_clocks", (clock for _, clock in accounts if clock is not None))
    await _copy(connection, "facts", (fact for facts in tables.facts.values() for fact in facts.values()))
    await _copy(
        connection,
        "order_spans",
        (
            (account_id, span.first.at, span.first.order_id, span.last.at, span.last.order_id)
            for account_id, spans in tables.spans.items()
            for span in spans.values()
        ),
    )
    in_force = stored(row for rows in tables.in_force.values() for row in rows.values())
    await _copy(connection, "current_decisions", in_force)
    await _copy(connection, "companies", ((stored_key(key), *rest) for key, *rest in tables.companies.values()))
    members = (
        (stored_key(key), account_id) for key, found in tables.memberships.items() for account_id in sorted(found)
    )
    await _copy(connection, "memberships", members)
    columns = ("company_key", "version", "cursor", "deferred", "because")
    await _copy(
        connection, "company_fanouts", ((stored_key(key), *rest) for key, *rest in tables.fanouts.values()), columns
    )
    await connection.executemany(
        statement("set_read_until"),
        [(*place, end, tables.positions[place].latest_occurred_at) for place, end in sorted(ends.items())],
    )


async def append_log(connection: Any, rows: Iterable[LogRow]) -> None:
    """Append rows to the log."""
    await _copy(connection, "decision_log", stored(rows))


async def move_heads(connection: Any, heads: Sequence[ShardHead]) -> None:
    """Set the heads of the shards, which may be new."""
    await connection.executemany(statement("set_shard"), heads)


async def _copy(
    connection: Any, table: str, rows: Iterable[Sequence[object]], columns: Sequence[str] | None = None
) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=columns)
