"""The yardstick: what a good engineer writes by hand, with librdkafka and asyncpg, for orders and for deadlines.

It knows no rules, no other topics, no late facts and no other process.

- `orders contract|lean N OF` reads the partitions whose number is N modulo OF, and keeps the last effective order of
  each account. A batch is one statement, which also moves the positions by compare-and-set. While the database runs
  it, the next batch is decoded. `contract` validates with the contract's model, as exactly as the engine does; `lean`
  only checks what msgspec checks for nothing: types, lengths, statuses and instants.
- `deadlines` publishes a message for each account that is due: claimed and put into an outbox in one transaction,
  published while the next ones are claimed, then deleted from the outbox. So it publishes at least once.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import msgspec
import uvloop
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from pydantic import TypeAdapter

from contracts.order_status import EFFECTIVE, OrderStatus, Status
from workers.settings import read_settings

BATCH = 10_000
PLANS = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}

# -- orders --------------------------------------------------------------------------------------------------------

ORDERS = """
create schema {kind};
set search_path to {kind}, public;
create table hand_accounts (
    account_id text collate "C" primary key, last_effective_at timestamptz, last_order_id text
) with (fillfactor = 50, autovacuum_analyze_threshold = 2147483647);
insert into hand_accounts select account_id from accounts;
create table hand_positions (
    partition integer primary key, next_offset bigint not null default 0, owner text
) with (fillfactor = 20);
insert into hand_positions select partition from positions where topic = 'order-status';
reset search_path
"""
"""The tables of one kind, in a schema of their own."""
DIFFERENT = """
select count(*) from account_clocks a full join {kind}.hand_accounts b using (account_id)
where (a.last_effective_at, a.last_order_id) is distinct from (b.last_effective_at, b.last_order_id)
"""
CLAIM = """
update hand_positions set owner = pg_backend_pid() where partition % $2 = $1 returning partition, next_offset
"""
SAVE = """
with moved as (
    update hand_positions p set next_offset = m.next
    from unnest($4::int[], $5::bigint[], $6::bigint[]) as m(partition, was, next)
    where p.partition = m.partition and p.next_offset = m.was returning 1
), saved as (
    update hand_accounts a set last_effective_at = m.at, last_order_id = m.order_id
    from unnest($1::text[], $2::timestamptz[], $3::text[]) as m(account_id, at, order_id)
    where a.account_id = m.account_id
      and (a.last_effective_at is null or (a.last_effective_at, a.last_order_id) < (m.at, m.order_id))
)
select 1 / (count(*) = cardinality($4))::int from moved
"""
"""Fails, and so changes nothing, where another process has moved one of the positions."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Amount(msgspec.Struct, gc=False):
    value: _Id
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]


class _LeanOrder(msgspec.Struct, gc=False):
    event_id: _Id
    order_id: _Id
    account_id: _Id
    status: Status
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    previous_status: Status | None = None
    amount: _Amount | None = None


Read = tuple[Callable[[bytes], Any], Callable[[Any], datetime]]
READ: dict[str, Read] = {
    "contract": (TypeAdapter(OrderStatus).validator.validate_json, datetime.fromisoformat),
    "lean": (msgspec.json.Decoder(_LeanOrder).decode, lambda at: at),
}
"""What reads a message, and what reads its `occurred_at`."""


def last_orders(values: Iterable[bytes], read: Read) -> dict[str, tuple[datetime, str]]:
    """The last effective order of each account: instant and id."""
    decode, instant = read
    last: dict[str, tuple[datetime, str]] = {}
    for value in values:
        order = decode(value)
        if order.status in EFFECTIVE and order.previous_status not in EFFECTIVE:
            found = (instant(order.occurred_at), order.order_id)
            known = last.get(order.account_id)
            if known is None or found > known:
                last[order.account_id] = found
    return last


def taken(messages: Iterable[Any]) -> tuple[list[bytes], dict[int, int]]:
    """The values, and the offset after the last message of each partition; raises KafkaException."""
    values, after = [], {}
    for message in messages:
        if message.error() is not None:
            raise KafkaException(message.error())
        values.append(message.value())
        after[message.partition()] = message.offset() + 1
    return values, after


async def save(
    connection: asyncpg.Connection, last: Mapping[str, tuple[datetime, str]], moves: Iterable[tuple[int, int, int]]
) -> None:
    """Write a batch; `moves` are partitions with the offsets before and after it."""
    ids = sorted(last)  # two processes lock rows in one order
    orders = ids, [last[each][0] for each in ids], [last[each][1] for each in ids]
    await connection.fetchval(SAVE, *orders, *map(list, zip(*moves, strict=True)))


async def run_orders(kind: str, number: int, processes: int) -> None:
    """Read until the process is ended."""
    settings = read_settings()
    session = PLANS | {"search_path": kind}
    connection = await asyncpg.connect(settings.database_url, server_settings=session)
    offsets = dict(map(tuple, await connection.fetch(CLAIM, number, processes)))
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": "hand",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 65_536,
            "fetch.wait.max.ms": 100,
        }
    )
    topic = settings.topic_prefix + "order-status"
    consumer.assign([TopicPartition(topic, *place) for place in offsets.items()])
    _freeze()
    saving = asyncio.create_task(asyncio.sleep(0))
    while True:
        messages = consumer.consume(BATCH, 0)
        if not messages:
            await asyncio.sleep(0.001)
            continue
        values, after = taken(messages)
        last = last_orders(values, READ[kind])
        await saving
        moves = [(partition, offsets[partition], offset) for partition, offset in after.items()]
        saving = asyncio.create_task(save(connection, last, moves))
        offsets |= after
        await asyncio.sleep(0)  # sends the statement


# -- deadlines -----------------------------------------------------------------------------------------------------

DEADLINES = """
create table hand_deadlines (
    account_id text collate "C" primary key, suspend_at timestamptz not null, suspended boolean not null default false
) with (fillfactor = 50);
create index on hand_deadlines (suspend_at) where not suspended;
create table hand_outbox (
    id bigint primary key generated always as identity, account_id text not null, value bytea not null
)
"""
FILL_DEADLINES = """
with filled as (
    insert into hand_deadlines select account_id, now() + interval '10 s' from unnest($1::text[]) as account_id
)
select now() + interval '10 s'
"""
DUE = """
update hand_deadlines set suspended = true where account_id in (
    select account_id from hand_deadlines where not suspended and suspend_at <= clock_timestamp()
    order by suspend_at, account_id limit $1 for update skip locked
) returning account_id, suspend_at
"""
STORE = """
insert into hand_outbox (account_id, value) select * from unnest($1::text[], $2::bytea[])
returning id, account_id, value
"""
PUBLISHED = "delete from hand_outbox where id = any($1::bigint[])"

Row = tuple[int, str, bytes]


class _Suspended(msgspec.Struct):
    event_id: str
    account_id: str
    effective_at: datetime
    kind: str = "account_suspended"


async def claim(connection: asyncpg.Connection, published: Sequence[Row]) -> list[Row]:
    """Delete what was published, and claim the next accounts that are due: rows of the outbox."""
    async with connection.transaction():
        if published:
            await connection.execute(PUBLISHED, [row[0] for row in published])
        due = await connection.fetch(DUE, BATCH)
        values = [msgspec.json.encode(_Suspended(f"{name}-{at:%s}", name, at)) for name, at in due]
        rows = await connection.fetch(STORE, [name for name, _ in due], values) if due else []
    return [tuple(row) for row in rows]


def publish(producer: Producer, topic: str, rows: Iterable[Row]) -> None:
    """Send a message for each row, and wait until the brokers have them; raises the first error."""
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            errors.append(error)

    for _, account_id, value in rows:
        producer.produce(topic, value, account_id, on_delivery=delivered)
    producer.flush()
    if errors:
        raise RuntimeError(f"{len(errors)} messages were not published: {errors[0]}")


async def run_deadlines() -> None:
    """Publish until the process is ended; first what an earlier process left in the outbox."""
    settings = read_settings()
    connection = await asyncpg.connect(settings.database_url, server_settings=PLANS)
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "queue.buffering.max.messages": 10 * BATCH,
        }
    )
    topic = settings.topic_prefix + "suspensions"
    _freeze()
    claimed: list[Row] = [tuple(row) for row in await connection.fetch("select * from hand_outbox")]
    published: list[Row] = []
    while True:
        publishing = asyncio.to_thread(publish, producer, topic, claimed)
        following, _ = await asyncio.gather(claim(connection, published), publishing)
        published, claimed = claimed, following
        if not claimed and not published:
            await asyncio.sleep(0.01)


def _freeze() -> None:
    """The collector leaves alone what lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 100, 100)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["orders", kind, number, processes]:
            uvloop.run(run_orders(kind, int(number), int(processes)))
        case ["deadlines"]:
            uvloop.run(run_deadlines())
        case wrong:
            sys.exit(f"{wrong}: neither orders KIND NUMBER PROCESSES nor deadlines")
