"""What other systems and an operator see of a deployment: its topics, and the rows of its database.

It shares no code with the engine: a plain `read_committed` consumer reads every partition from its start to its end,
and plain queries read PostgreSQL.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from tests.model.decisions import TOPIC_OF_KIND

INPUT_TOPICS = ("order-status", "complaints", "seller-accounts", "account-requests")
OUTPUT_TOPICS = (*sorted(set(TOPIC_OF_KIND.values())), "account-standing", "dead-letters")
POLL_SECONDS = 30.0
ROWS = {
    "deployment": "select incarnation::text, fingerprint, held, partitions_compared_until::text from deployment",
    "positions": "select topic, partition, next_offset, watermark::text from positions",
    "accounts": "select account_id, standing, quarantined, last_effective_at::text, last_order_id"
    " from accounts left join account_clocks using (account_id)",
    "facts": "select account_id, topic, id from facts",
    "order_spans": "select account_id, first_at::text, last_at::text from order_spans",
    "current_decisions": "select subject, decision_id::text from current_decisions",
    "decision_log": "select shard, seq, headers, value from decision_log",
    "memberships": "select company_key, account_id from memberships",
    "fanouts": "select company_key from company_fanouts",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `topic` is without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """How a dead letter names it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def json(self) -> dict[str, Any]:
        """The value of a published message."""
        found: dict[str, Any] = json.loads(self.value or b"{}")
        return found


@dataclass(slots=True)
class Seen:
    """A deployment as it was found: inputs and outputs in the order of each partition, ends, and rows by table."""

    inputs: list[Record]
    outputs: list[Record]
    ends: dict[tuple[str, int], int]
    rows: dict[str, list[dict[str, Any]]]


async def look(bootstrap: str, database_url: str, prefix: str) -> Seen:
    """Everything there is to see now; nothing should be running that changes it."""
    connection = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
    try:
        rows = {table: [dict(row) for row in await connection.fetch(query)] for table, query in ROWS.items()}
    finally:
        await connection.close()
    inputs, ends = read_topics(bootstrap, prefix, INPUT_TOPICS)
    outputs, _ = read_topics(bootstrap, prefix, OUTPUT_TOPICS)
    return Seen(inputs, outputs, ends, rows)


def read_topics(
    bootstrap: str, prefix: str, topics: Sequence[str]
) -> tuple[list[Record], dict[tuple[str, int], int]]:
    """Every committed record of the topics up to their ends now, and where each partition ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "checker",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        known = consumer.list_topics(timeout=POLL_SECONDS).topics
        numbers = {topic: len(known[prefix + topic].partitions) for topic in topics}
        places = [TopicPartition(prefix + topic, each, 0) for topic in topics for each in range(numbers[topic])]
        consumer.assign(places)
        found: list[Record] = []
        ends: dict[tuple[str, int], int] = {}
        while len(ends) < len(places):
            message = consumer.poll(POLL_SECONDS)
            if message is None:
                raise TimeoutError("the topics could not be read to their ends")
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            name = topic.removeprefix(prefix)
            if message.error() is not None:
                ends[name, partition] = offset  # the end of the partition, as `enable.partition.eof` tells it
                continue
            told = cast("list[tuple[str, bytes]]", message.headers() or [])
            headers = {key: value.decode(errors="backslashreplace") for key, value in told}  # inputs may hold any
            found.append(Record(name, partition, offset, message.key(), message.value(), headers))
    finally:
        consumer.close()
    return found, ends
