"""The relay's producer and its checkpoint, on a real broker."""

import asyncio
import gc
import time
from collections.abc import Iterator
from random import Random

import pytest
from confluent_kafka import Producer

from tests.kafka.transactions import opened, read_all
from tests.support.broker import Servers, left_open, make_topic, numbered, produce, transaction
from workers import timeouts
from workers.kafka.admin import Admin
from workers.kafka.last_record import LeftOpen, NoAnswer, Record, last_record
from workers.kafka.security import KafkaAccess
from workers.kafka.transactional_producer import Fenced, Outgoing, PublishError, TransactionalProducer


async def test_a_list_is_published_whole_and_as_given(servers: Servers) -> None:
    topic, checkpoints = await make_topic(servers.bootstrap), await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as producer:
        await producer.publish(
            [
                Outgoing(topic, b"key", [("name", b"\xff"), ("name", b"twice")], b"value"),
                Outgoing(topic, None, (), None, 0),
                Outgoing(topic, b"key", [("name", "阿里")], b"value", 0),
                Outgoing(checkpoints, b"0", (), b"checkpoint", 0),
            ]
        )
        await producer.open()
        assert await producer.last_value(checkpoints, 0) == b"checkpoint"
    assert await read_all(servers.bootstrap, topic) == {
        0: [
            (b"key", b"value", [("name", b"\xff"), ("name", b"twice")]),
            (None, None, []),
            (b"key", b"value", [("name", "阿里".encode())]),
        ]
    }


async def test_keys_land_where_java_clients_put_them(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap, 4)
    async with opened(servers.access, topic) as producer:
        await producer.publish([Outgoing(topic, b"%d" % number, (), b"") for number in range(100)])
    found = await read_all(servers.bootstrap, topic)
    assert {number: [key for key, _, _ in records] for number, records in found.items()} == {
        partition: [b"%d" % number for number in range(100) if java_partition(b"%d" % number, 4) == partition]
        for partition in range(4)
    }


async def test_after_one_refused_message_nothing_is_published_until_the_producer_is_opened_again(
    servers: Servers,
) -> None:
    topic, small = await make_topic(servers.bootstrap), await make_topic(servers.bootstrap, max_message_bytes="1000")
    good, refused = Outgoing(topic, b"k", (), b"good"), Outgoing(small, b"k", (), Random(0).randbytes(5000))  # noqa: S311  # not compressible
    async with opened(servers.access, topic) as producer:
        with pytest.raises(PublishError):
            await producer.publish([good, refused, good])
        with pytest.raises(PublishError):
            await producer.publish([good])
        await producer.open()
        await producer.publish([good])
    assert await read_all(servers.bootstrap, topic) == {0: [(b"k", b"good", [])]}
    assert await read_all(servers.bootstrap, small) == {0: []}


async def test_a_successor_fences_and_aborts_what_was_left_open(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    left_open(servers.bootstrap, topic, topic)
    async with opened(servers.access, topic) as successor:
        assert await successor.last_value(topic, 0) is None
        await successor.publish([Outgoing(topic, None, (), b"committed", 0)])
        await successor.open()
        assert await successor.last_value(topic, 0) == b"committed"


async def test_of_two_producers_only_the_later_publishes(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as first, opened(servers.access, topic) as second:
        for _ in range(2):
            with pytest.raises(Fenced):
                await first.publish([Outgoing(topic, None, (), b"first", 0)])
        await second.publish([Outgoing(topic, None, (), b"second", 0)])
        await first.open()
        with pytest.raises(Fenced):
            await second.publish([Outgoing(topic, None, (), b"second again", 0)])
    assert await read_all(servers.bootstrap, topic) == {0: [(None, b"second", [])]}


async def test_a_producer_that_is_fenced_in_a_transaction_raises_fenced(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)

    def until_refused() -> Iterator[Outgoing]:
        while True:
            yield Outgoing(topic, None, (), b"first", 0)
            time.sleep(0.001)  # or the queue would be full before the broker has answered

    async with opened(servers.access, topic) as first, opened(servers.access, topic):
        with pytest.raises(Fenced, match="fenced"):
            await first.publish(until_refused())


async def test_a_cancelled_transaction_leaves_the_producer_unusable_until_opened(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    many = [Outgoing(topic, None, (), b"%d" % number, 0) for number in range(20_000)]
    async with opened(servers.access, topic) as producer:
        publishing = asyncio.create_task(producer.publish(many))
        await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        with pytest.raises(PublishError):
            await producer.publish(many[:1])
        await producer.open()
        await producer.publish(many[:1])
    values = [value for _, value, _ in (await read_all(servers.bootstrap, topic))[0]]
    assert values in ([b"0"], [each.value for each in many] + [b"0"])


async def test_a_producer_that_was_not_opened_publishes_nothing(servers: Servers) -> None:
    with pytest.raises(PublishError, match="is not open"):
        await TransactionalProducer(servers.access, "never").publish([])


async def test_a_checkpoint_is_not_believed_while_a_transaction_is_open_behind_it(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as producer:
        await producer.publish([Outgoing(topic, b"k", (), b"checkpoint", 0)])
        left_open(servers.bootstrap, f"another-{topic}", topic)
        with pytest.raises(LeftOpen, match="a transaction is open from offset 2 on"):
            await producer.last_value(topic, 0)
        assert await last_record(Admin(servers.access), topic, 0) == Record(b"checkpoint")


async def test_the_records_that_abort_an_older_transaction_stay_invisible(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap, 3)
    async with opened(servers.access, topic) as producer:
        await producer.abort_left_open(["never-made", topic])
        await producer.publish([Outgoing(topic, b"k", (), b"checkpoint", 0)])
        assert await producer.last_value(topic, 0) == b"checkpoint"
        assert await producer.last_value(topic, 1) is None
    found = await read_all(servers.bootstrap, topic)
    assert [value for records in found.values() for _, value, _ in records] == [b"checkpoint"]


async def test_nothing_blocks_the_event_loop(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    many = [Outgoing(topic, None, [("name", b"value")] * 5, b"v" * 300, 0) for _ in range(30_000)]
    turns = 0
    async with opened(servers.access, topic) as producer:
        publishing = asyncio.create_task(producer.publish(many))
        while not publishing.done():
            await asyncio.sleep(0.001)
            turns += 1
        await publishing
    assert turns > 20, "the loop stood still while the messages were produced, or while they were committed"


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No cyclic garbage is collected: a worker's thresholds let it come hardly ever."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def handles() -> int:
    """How many librdkafka producers are alive, each with its threads and connections."""
    return sum(isinstance(each, Producer) for each in gc.get_objects())


@pytest.mark.usefixtures("without_collector")
async def test_a_recycled_producer_is_freed_even_while_its_error_is_kept(servers: Servers) -> None:
    topic, small = await make_topic(servers.bootstrap), await make_topic(servers.bootstrap, max_message_bytes="1000")
    refused = Outgoing(small, b"k", (), Random(0).randbytes(5000))  # noqa: S311  # not compressible
    before, errors = handles(), []
    async with opened(servers.access, topic) as first, opened(servers.access, topic) as second:
        for _ in range(5):
            await first.open()
            with pytest.raises(Fenced) as fenced:
                await second.publish([Outgoing(topic, None, (), b"second", 0)])
            with pytest.raises(PublishError) as failed:
                await first.publish([refused])
            errors += [fenced, failed]
            await second.open()
            assert handles() == before + 2
    assert handles() == before
    assert len(errors) == 10


@pytest.mark.usefixtures("without_collector")
async def test_a_producer_that_could_not_be_opened_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "PRODUCER_SECONDS", 0.05)
    before, errors = handles(), []
    producer = TransactionalProducer(KafkaAccess("127.0.0.1:1"), "nowhere")
    for _ in range(3):
        with pytest.raises(PublishError) as failed:
            await producer.open()
        errors.append(failed)
        with pytest.raises(PublishError):
            await producer.publish([])
    await producer.close()
    assert handles() == before
    assert len(errors) == 3


# -- the checkpoint ----------------------------------------------------------------------------------------------


async def test_an_empty_partition_has_no_last_record(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    assert await last_record(Admin(servers.access), topic, 0) is None


async def test_the_last_record_is_found_behind_markers_and_aborted_transactions(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as producer:
        await producer.publish([Outgoing(topic, b"k", [("name", b"\xff")], b"last", 0)])
    for number in range(3):
        with transaction(servers.bootstrap, f"{topic}-{number}", commit=False) as aborted:
            for _ in range(100):
                aborted.produce(topic, b"aborted", partition=0)
    assert await last_record(Admin(servers.access), topic, 0) == Record(b"last")


async def test_only_aborted_records_are_no_record(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    with transaction(servers.bootstrap, topic, commit=False) as aborted:
        for _ in range(300):
            aborted.produce(topic, b"aborted", partition=0)
    assert await last_record(Admin(servers.access), topic, 0) is None


async def test_a_commit_after_an_abort_of_the_same_producer_is_seen(servers: Servers) -> None:
    topic = await make_topic(servers.bootstrap)
    async with opened(servers.access, topic) as producer:
        for number in range(3):
            with transaction(servers.bootstrap, topic, commit=False) as aborted:
                aborted.produce(topic, b"aborted", partition=0)
            await producer.open()
            await producer.publish([Outgoing(topic, None, (), b"%d" % number, 0)])
    assert await read_all(servers.bootstrap, topic) == {0: [(None, b"%d" % number, []) for number in range(3)]}


async def test_the_last_record_of_a_compacted_topic_is_its_newest(servers: Servers) -> None:
    topic = await make_topic(
        servers.bootstrap, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.01"
    )
    produce(servers.bootstrap, topic, [(b"checkpoint", value, ()) for _, value, _ in numbered(0, 500)])
    assert await last_record(Admin(servers.access), topic, 0) == Record(b"499")


async def test_no_broker_is_one_clear_error() -> None:
    with pytest.raises(NoAnswer, match=r"any/0 at 127\.0\.0\.1:1 \(PLAINTEXT\) cannot be read"):
        await last_record(Admin(KafkaAccess("127.0.0.1:1")), "any", 0)


def java_partition(key: bytes, partitions: int) -> int:
    """`Utils.toPositive(Utils.murmur2(key)) % partitions` of Kafka's Java client, reimplemented."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    value = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        value = (value * factor & mask) ^ word
    rest = key[whole:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * factor & mask
    value = (value ^ value >> 13) * factor & mask
    return ((value ^ value >> 15) & 0x7FFFFFFF) % partitions
