"""Batches read within limits: bombs, strange headers, and all that must come through untouched."""

import gc
import weakref

import pytest
from aiokafka.structs import TopicPartition

from tests.support.broker import CODECS, Message, batch, with_broken_name
from workers.kafka import fetched_records, internals
from workers.kafka.fetched_records import GuardedRecords, UnreadableRecords
from workers.kafka.internals import GuardedPartitionRecords

PLACE = TopicPartition("orders", 3)

ORDINARY: list[Message] = [
    (b"key", b"value", [("name", b"\xff\x00 no UTF-8"), ("name", b"twice")]),
    (None, b"without a key", []),
    (b"without a value", None, [("empty", b"")]),
    (b"", b"", []),
]


def read(data: bytes, fetch_offset: int = 0) -> list[tuple[int, Message]]:
    records = GuardedPartitionRecords(PLACE, GuardedRecords(data), None, fetch_offset, None, None, True, 1)
    return [(record.offset, (record.key, record.value, list(record.headers))) for record in records]


@pytest.mark.parametrize("codec", CODECS)
def test_every_record_comes_through_as_it_was_sent(codec: str) -> None:
    assert read(batch(codec, ORDINARY)) == list(enumerate(ORDINARY))


@pytest.mark.parametrize("read_it", [True, False])
def test_fetched_records_are_freed_without_the_garbage_collector(read_it: bool) -> None:
    gc.disable()  # the ingest worker makes so few objects that outlive a batch that it hardly ever runs
    try:
        fetch = GuardedPartitionRecords(PLACE, GuardedRecords(batch("lz4", ORDINARY)), None, 0, None, None, True, 1)
        held = weakref.ref(fetch)
        assert not read_it or len(list(fetch)) == len(ORDINARY)
        del fetch
        assert held() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("codec", CODECS)
def test_a_fetch_from_the_middle_of_a_batch_begins_there(codec: str) -> None:
    assert [offset for offset, _ in read(batch(codec, ORDINARY), 2)] == [2, 3]


@pytest.mark.parametrize("codec", sorted(CODECS.keys() - {"none"}))
def test_a_bomb_is_refused_with_its_partition_and_offset(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched_records, "_BUFFER", bytearray(1_000_061))
    allowed: list[Message] = [(b"k", b"\0" * 999_000, [])]
    assert read(batch(codec, allowed)) == [(0, allowed[0])]
    with pytest.raises(UnreadableRecords, match=r"orders/3 cannot be read from offset 0 on: TooLarge"):
        read(batch(codec, [(b"k", b"\0" * 1_001_000, [])]))


def test_what_comes_before_a_bomb_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched_records, "_BUFFER", bytearray(1_000_061))
    bomb = batch("zstd", [(b"k", b"\0" * 1_001_000, [])], len(ORDINARY))
    assert read(batch("zstd", ORDINARY) + bomb) == list(enumerate(ORDINARY))
    with pytest.raises(UnreadableRecords, match="cannot be read from offset 4 on"):
        read(bomb, len(ORDINARY))


def test_what_is_over_the_limit_of_a_poll_is_left_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "POLL_BYTES", 150_000)
    fetch = b"".join(batch("zstd", [(b"k", b"\0" * 100_000, [])], offset) for offset in range(5))
    assert [offset for offset, _ in read(fetch)] == [0, 1]
    assert [offset for offset, _ in read(fetch[2 * len(fetch) // 5 :], 2)] == [2, 3]
    started = GuardedPartitionRecords(PLACE, GuardedRecords(fetch), None, 0, None, None, True, 1)
    for record in started:
        assert record.offset == 0
        break
    assert [record.offset for record in started] == [1, 2]
    assert started.next_fetch_offset == 3


@pytest.mark.parametrize("codec", sorted(CODECS.keys() - {"none"}))
@pytest.mark.parametrize("name", ["", "name"])
def test_of_a_record_with_too_many_headers_the_first_are_kept_and_its_neighbours_are_untouched(
    codec: str, name: str
) -> None:
    many = [(name, b"%d" % number) for number in range(150_000)]
    bomb: Message = (b"key", b"value", many)
    found = read(batch(codec, [*ORDINARY, bomb, *ORDINARY, bomb, ORDINARY[0]]))
    kept: Message = (b"key", b"value", many[: fetched_records.MOST_HEADERS])
    assert found == list(enumerate([*ORDINARY, kept, *ORDINARY, kept, ORDINARY[0]]))


def test_headers_count_for_the_limit_of_a_poll_however_short_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "POLL_BYTES", 150_000)
    fetch = batch("zstd", [(b"", b"", [("", b"")] * 2000) for _ in range(5)])
    assert [offset for offset, _ in read(fetch)] == [0, 1]


def test_many_records_and_large_ones_without_many_headers_come_through() -> None:
    sent: list[Message] = [(b"k", b"v" * 100_000, [("name", b"x")] * number) for number in range(20)]
    sent += [(b"%d" % number, b"v", []) for number in range(5000)]
    assert read(batch("zstd", sent)) == list(enumerate(sent))


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_name_that_is_not_utf_8_is_replaced_and_its_neighbours_are_unchanged(codec: str) -> None:
    sent: list[Message] = [
        (b"before", b"1", [("good", b"\xff")]),
        (b"strange", b"2", [("name", b"kept \xff"), ("abcd", b"value")]),
        (b"after", b"3", [("good", b"x")]),
    ]
    repaired: Message = (b"strange", b"2", [("name", b"kept \xff"), ("?bcd", b"value")])
    assert read(with_broken_name(codec, sent, b"abcd") + batch(codec, ORDINARY, 3)) == [
        (0, sent[0]),
        (1, repaired),
        (2, sent[2]),
        *enumerate(ORDINARY, 3),
    ]


def test_a_damaged_batch_is_refused_with_its_partition_and_offset() -> None:
    raw = bytearray(batch("none", ORDINARY))
    raw[-1] ^= 1
    with pytest.raises(UnreadableRecords, match=r"orders/3 cannot be read from offset 0 on: .*CRC"):
        read(bytes(raw))
