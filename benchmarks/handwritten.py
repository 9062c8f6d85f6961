"""The yardstick: a hand-written aiokafka loop with one set-based transaction for each batch, as lean as it goes.

It reads `order-status` with the contract's own model, keeps the last effective order of each account and its
positions in one transaction, and knows no rules, no other topics and no other process.
"""

import asyncio

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import TypeAdapter

from contracts.fields import instant
from contracts.order_status import EFFECTIVE, OrderStatus
from workers.settings import read_settings
from workers.store.connections import connect_types

SCHEMA = """
create table if not exists hand_accounts (
    account_id text collate "C" primary key, last_effective_at timestamptz, last_order_id text
) with (fillfactor = 70);
create table if not exists hand_positions (partition integer primary key, next_offset bigint not null);
insert into hand_accounts select account_id from accounts on conflict do nothing;
insert into hand_positions select partition, 0 from positions where topic = 'order-status' on conflict do nothing
"""
LOCK = (
    "select account_id, last_effective_at from hand_accounts where account_id = any($1) order by 1 for no key update"
)
MOVE = """
update hand_accounts a set last_effective_at = m.at, last_order_id = m.order_id
from unnest($1::text[], $2::timestamptz[], $3::text[]) as m(account_id, at, order_id)
where a.account_id = m.account_id
"""
ADVANCE = """
update hand_positions p set next_offset = m.next from unnest($1::int[], $2::bigint[], $3::bigint[]) as m(n, was, next)
where p.partition = m.n and p.next_offset = m.was returning 1
"""
PLANS = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off", "timezone": "UTC"}


async def main() -> None:
    """Read until the process is ended."""
    settings = read_settings()
    validate = TypeAdapter(OrderStatus).validator.validate_json
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute(SCHEMA)
    await connection.close()
    connection = await asyncpg.connect(settings.database_url, server_settings=PLANS)
    await connect_types(connection)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    await consumer.start()
    places = {}
    for partition, offset in await connection.fetch("select partition, next_offset from hand_positions"):
        places[TopicPartition(settings.topic_prefix + "order-status", partition)] = offset
    consumer.assign(list(places))
    for place, offset in places.items():
        consumer.seek(place, offset)
    while True:
        batch = await consumer.getmany(timeout_ms=100, max_records=settings.batch_size)
        moves = []
        latest: dict[str, tuple[int, str]] = {}
        for place, records in batch.items():
            moves.append((place.partition, places[place], records[-1].offset + 1))
            places[place] = records[-1].offset + 1
            for record in records:
                order = validate(record.value)
                if order.status in EFFECTIVE and order.previous_status not in EFFECTIVE:
                    found = (instant(order.occurred_at), order.order_id)
                    if found > latest.get(order.account_id, (0, "")):
                        latest[order.account_id] = found
        if not moves:
            continue
        async with connection.transaction():
            assert len(await connection.fetch(ADVANCE, *map(list, zip(*moves, strict=True)))) == len(moves)
            rows = await connection.fetch(LOCK, sorted(latest))
            newer = [row[0] for row in rows if row[1] is None or row[1] < latest[row[0]][0]]
            await connection.execute(MOVE, newer, [latest[a][0] for a in newer], [latest[a][1] for a in newer])


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
