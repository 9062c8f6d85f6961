"""What the relay hands to Kafka: every row once, in the order of the log, beside the checkpoint of the last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import pytest

from tests.support.played_log import PlayedLog
from workers.checkpoints import CHECKPOINTS_TOPIC, Checkpoint
from workers.kafka.transactional_producer import Outgoing, PublishError, TransactionalProducer
from workers.relay import Shard, partition_of
from workers.store.records import LogRow

INCARNATION = UUID(int=1)


@dataclass
class PlayedProducer:
    """Keeps what was published, one list for each transaction; `refuses` all of it where told to."""

    transactions: list[Sequence[Outgoing]] = field(default_factory=list)
    refuses: bool = False

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        if self.refuses:
            raise PublishError("refused")
        self.transactions.append(list(messages))


def row(seq: int) -> LogRow:
    value = f"value {seq}".encode()
    return LogRow(
        2, seq, f"hash {seq}".encode(), "suspensions", b"a", '[["ce_id","x"]]', value, None, "a", "k", None, 0
    )


def shard(producer: PlayedProducer, log: list[LogRow]) -> Shard:
    store = PlayedLog(2, log)
    played = cast("TransactionalProducer", producer)

    async def compare() -> None:
        """Nothing was lost."""

    return Shard(2, store, played, INCARNATION, "p.", 4, compare)


def published(seq: int) -> Outgoing:
    return Outgoing("p.suspensions", b"a", [("ce_id", "x")], f"value {seq}".encode(), partition_of(b"a", 4))


def checkpoint(seq: int) -> Outgoing:
    return Outgoing(
        f"p.{CHECKPOINTS_TOPIC}", b"2", (), Checkpoint(seq, f"hash {seq}".encode(), INCARNATION).encode(), 2
    )


async def test_each_row_is_published_once_beside_the_checkpoint_of_the_last_one() -> None:
    log = [row(1), row(2)]
    publishing = shard(producer := PlayedProducer(), log)
    assert [await publishing.publish_some(), await publishing.publish_some()] == [2, 0]
    log.append(row(3))
    assert await publishing.publish_some() == 1
    assert producer.transactions == [[published(1), published(2), checkpoint(2)], [published(3), checkpoint(3)]]


async def test_what_was_refused_is_published_by_the_next_try() -> None:
    publishing = shard(producer := PlayedProducer(refuses=True), [row(1)])
    with pytest.raises(PublishError):
        await publishing.publish_some()
    producer.refuses = False
    assert await publishing.publish_some() == 1
    assert producer.transactions == [[published(1), checkpoint(1)]]


async def test_nothing_is_published_behind_a_gap_in_the_log() -> None:
    publishing = shard(producer := PlayedProducer(), [row(1), row(3)])
    with pytest.raises(AssertionError, match="shard 2 has a gap before seq 3"):
        await publishing.publish_some()
    assert producer.transactions == []


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ],
)
def test_a_key_has_the_partition_of_kafkas_java_client_among_those_that_were_set_up(key: bytes, hashed: int) -> None:
    """The hashes are those of Kafka's own test of its hash."""
    for partitions in (1, 3, 8):
        assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions
