"""What the loop makes of a poll, its consumer played by the test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from contracts.topics import Partition
from tests.support.played_consumer import PlayedConsumer
from tests.support.stored import Positions, Worker
from workers.ingest.loop import Loop
from workers.ingest.partition import PartitionBatch
from workers.ops.health import Vitals

PLACE = ("order-status", 0)
OTHER = ("order-status", 1)


@dataclass
class FetchingConsumer(PlayedConsumer):
    """A consumer whose next poll moves positions and gives records, or an error in their place."""

    moves: dict[Partition, int] = field(default_factory=dict)
    answer: Mapping[Partition, Sequence[Any]] | KafkaError | None = None

    async def poll(self, most: int, *, patiently: bool) -> Mapping[Partition, Sequence[Any]] | None:
        self.positions |= self.moves
        if isinstance(self.answer, KafkaError):
            raise self.answer
        return self.answer


async def claimed(consumer: FetchingConsumer) -> Loop:
    """A loop that owns two partitions, of which the first stands at offset 5."""
    loop = Loop(consumer, Worker(Positions({PLACE: 5})), Vitals())
    await loop.assigned([PLACE, OTHER])
    assert (consumer.positions[PLACE], consumer.positions[OTHER]) == (5, 0)
    return loop


async def test_a_poll_gives_a_batch_of_each_partition_whose_position_moved() -> None:
    consumer = FetchingConsumer(moves={PLACE: 8}, answer={})
    loop = await claimed(consumer)
    assert await loop.poll() == [PartitionBatch(*PLACE, 1, 5, 8, ())], "markers of transactions, without records"
    assert await loop.poll() == []


async def test_what_is_lost_with_an_error_is_fetched_again() -> None:
    for error in (None, KafkaError("refused")):
        consumer = FetchingConsumer(moves={PLACE: 8, OTHER: 2}, answer=error)
        loop = await claimed(consumer)
        assert await loop.poll() == []
        assert loop.owned[PLACE].fetch_offset == 5
        consumer.moves, consumer.answer = {}, {}
        assert await loop.poll() == []
        assert (consumer.positions[PLACE], consumer.positions[OTHER]) == (5, 0), "taken back before the poll"


async def test_a_poll_during_which_a_partition_was_claimed_again_gives_nothing_of_it() -> None:
    consumer = FetchingConsumer(moves={PLACE: 8}, answer={})
    loop = await claimed(consumer)
    poll = consumer.poll

    async def poll_and_reclaim(most: int, *, patiently: bool) -> Mapping[Partition, Sequence[Any]] | None:
        await loop.reclaim()
        return await poll(most, patiently=patiently)

    consumer.poll = poll_and_reclaim  # type: ignore[method-assign]
    assert await loop.poll() == []
    assert loop.owned[PLACE].position.epoch == 2
    assert loop.owned[PLACE].fetch_offset == 5


async def test_what_is_revoked_is_owned_no_longer_and_what_is_assigned_alone_is() -> None:
    loop = await claimed(FetchingConsumer(answer={}))
    await loop.assigned([OTHER])
    assert list(loop.owned) == [OTHER]
    await loop.revoked()
    assert loop.owned == {}
