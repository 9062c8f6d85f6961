"""The suspended accounts: a subscriber's own view of the decisions, kept exactly once in SQLite.

The offsets are committed with the rows that follow from the messages, so a kill at any instant neither skips a
message nor counts one twice. A message that was published twice is skipped too, because within a topic the messages
of an account are in the order of their `sequence`. The subscriber acts only when it has read every topic to its end,
because the next message may withdraw a decision. Run: subscriber.py BOOTSTRAP DATABASE [TOPIC_PREFIX]
"""

import json
import sqlite3
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

TOPICS = ("suspensions", "reactivation-expiries", "restorations", "request-outcomes", "account-terminations")
TABLES = """
create table if not exists offsets (topic text, part integer, next integer, primary key (topic, part));
create table if not exists newest (topic text, account text, sequence integer, primary key (topic, account));
create table if not exists decisions (id primary key, account, effective_at, sequence, standing);
create table if not exists told (account text primary key);
create view if not exists suspended as
    select account from (select account, standing, row_number() over
        (partition by account order by effective_at desc, sequence desc) as newest from decisions)
    where newest = 1 and standing = 'suspended';
"""

NEWER = """
insert into newest values (:topic, :account_id, :sequence)
on conflict do update set sequence = excluded.sequence where excluded.sequence > newest.sequence
"""


def apply(database: sqlite3.Connection, message: Message) -> None:
    """Apply one message to the view, which holds the decisions in force."""
    offset: int = message.offset()  # type: ignore[assignment]  # a message that was read has one
    place = (offset + 1, message.topic(), message.partition(), offset)
    moved = database.execute("update offsets set next = ? where topic = ? and part = ? and next <= ?", place)
    if moved.rowcount != 1:
        raise SystemExit("another subscriber writes to this database")
    value = json.loads(message.value() or b"")
    newer = database.execute(NEWER, {"topic": message.topic()} | value)
    if newer.rowcount != 1:
        return  # it was published twice
    if "withdraws" in value:
        database.execute("delete from decisions where id = ?", [value["withdraws"]])
    elif value["standing_after"] != value["standing_before"]:
        insert = "insert into decisions values (:decision_id, :account_id, :effective_at, :sequence, :standing_after)"
        database.execute(insert, value)


def act(database: sqlite3.Connection) -> None:
    """Print what changed since the last call. After a kill it is printed again: make your own action idempotent."""
    for change, now, before in (("suspended", "suspended", "told"), ("no longer suspended", "told", "suspended")):
        changed = database.execute(f"select account from {now} except select account from {before}")  # noqa: S608
        print("".join(f"{account} is {change}\n" for (account,) in changed), end="", flush=True)
    with database:
        database.execute("delete from told")
        database.execute("insert into told select account from suspended")


def main(bootstrap: str, path: str, prefix: str = "") -> None:
    database = sqlite3.connect(path)
    database.executescript(TABLES)
    start = {"bootstrap.servers": bootstrap, "group.id": "-", "auto.offset.reset": "error"}
    consumer = Consumer(start | {"isolation.level": "read_committed", "enable.partition.eof": True})
    topics = consumer.list_topics(timeout=10).topics
    with database:
        places = [(prefix + name, part) for name in TOPICS for part in topics[prefix + name].partitions]
        database.executemany("insert or ignore into offsets values (?, ?, 0)", places)
    offsets = [TopicPartition(*place) for place in database.execute("select topic, part, next from offsets")]
    consumer.assign(offsets)
    at_end = set()
    while True:
        with database:  # one transaction: the view and the offsets, or neither
            for message in consumer.consume(500, timeout=1):
                place, error = (message.topic(), message.partition()), message.error()
                if error is None:
                    at_end.discard(place)
                    apply(database, message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    at_end.add(place)
                elif not error.retriable():
                    raise KafkaException(error)
        if len(at_end) == len(offsets):
            act(database)


if __name__ == "__main__":
    main(*sys.argv[1:])
