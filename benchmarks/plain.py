"""The other yardstick: FastStream as its tutorial shows it, a handler for each message and a transaction in each."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
from faststream import FastStream
from faststream.kafka import KafkaBroker

from contracts.order_status import EFFECTIVE, OrderStatus
from workers.settings import read_settings

SCHEMA = """
create table if not exists plain_accounts (
    account_id text collate "C" primary key, last_effective_at timestamptz, last_order_id text
) with (fillfactor = 70);
create table if not exists plain_done (read bigint not null);
insert into plain_done select 0 where not exists (select from plain_done)
"""
MOVE = """
insert into plain_accounts values ($1, $2, $3) on conflict (account_id) do update
set last_effective_at = excluded.last_effective_at, last_order_id = excluded.last_order_id
where plain_accounts.last_effective_at < excluded.last_effective_at
"""


async def main() -> None:
    """Read until the process is ended."""
    settings = read_settings()
    pool: Any = await asyncpg.create_pool(settings.database_url, min_size=1, max_size=2)
    await pool.execute(SCHEMA)
    broker = KafkaBroker(settings.kafka_bootstrap, logger=None)

    @broker.subscriber(settings.topic_prefix + "order-status", group_id="plain", auto_offset_reset="earliest")
    async def handle(order: OrderStatus) -> None:
        async with pool.acquire() as connection, connection.transaction():
            if order.status in EFFECTIVE and order.previous_status not in EFFECTIVE:
                await connection.execute(
                    MOVE, order.account_id, datetime.fromisoformat(order.occurred_at), order.order_id
                )
            await connection.execute("update plain_done set read = read + 1")

    await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    asyncio.run(main())
