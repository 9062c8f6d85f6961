"""Large rows of the log on their way to Kafka, on real servers: no transaction of the relay grows with them."""

from uuid import UUID

from tests.store.sides import InPostgres
from tests.support.broker import make_topic, stable_ends
from workers.checkpoints import CHECKPOINTS_TOPIC
from workers.devservers.stack import LocalServers
from workers.kafka.transactional_producer import TransactionalProducer
from workers.relay import CHUNK, Shard
from workers.store.records import LogRow, ShardHead

ROWS = 120
LARGE = b"v" * 300_000


def letter(seq: int) -> LogRow:
    """A dead letter about as large as they get."""
    return LogRow(0, seq, b"hash", "dead-letters", None, "[]", LARGE, None, f"t/0/{seq}", "dead_letter", None, 0)


async def test_large_rows_are_published_in_several_transactions_of_16_mebibytes(
    in_postgres: InPostgres, servers: LocalServers, topic_prefix: str
) -> None:
    async with in_postgres.store.transaction() as transaction:
        await transaction.lock_shards([0])
        await transaction.append([letter(seq) for seq in range(1, ROWS + 1)], [ShardHead(0, ROWS + 1, b"hash")])
    topic = await make_topic(servers.bootstrap, name=f"{topic_prefix}dead-letters")
    await make_topic(servers.bootstrap, name=f"{topic_prefix}{CHECKPOINTS_TOPIC}")
    producer = TransactionalProducer(servers.access, topic_prefix)

    async def compare() -> None:
        """Nothing was published yet."""

    shard = Shard(0, in_postgres.store, producer, UUID(int=1), topic_prefix, 1, compare)
    await shard.open()
    counts = [await shard.publish_some() for _ in range(4)]
    await producer.close()
    assert counts == [56, 56, 8, 0]
    assert sum(counts) == ROWS < CHUNK
    assert await stable_ends(servers.bootstrap, topic) == {0: ROWS + 3}  # each transaction ends with a marker
