"""What aiokafka fetched, read within limits: a compressed bomb or a strange header must not end the worker.

Owns how a fetched batch is opened; it decides nothing about positions. Unguarded, aiokafka inflates whatever it
is sent (6 kB of zstd became 200 MB) and fails for ever on one header name that is no UTF-8. The invariant: a
record is given out exactly as it was sent, but for bytes of a header's name that are no UTF-8, which become `?`,
and for headers beyond MOST_HEADERS, which are left out: 60 kB of gzip hold 30 million of them, or 2 GB.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint, encode_varint
from aiokafka.structs import TopicPartition

BATCH_BYTES = 64 * 1024 * 1024
"""What one batch may inflate to. Brokers take 1 MiB compressed; JSON shrinks to a tenth or a fiftieth."""

MOST_HEADERS = 10_000
"""Of one record."""
_COUNTED_OVER = 1024 * 1024
"""Smaller batches, inflated, hold too few headers to matter; of larger ones only records over _LARGE do."""
_LARGE = 64 * 1024

_LOG_OVERHEAD = 12
_LENGTH_AT = 8
_MAGIC_AT = 16
_ATTRIBUTES_AT = 21
_RECORD_COUNT_AT = 57
_HEADER = 61
_CODECS = 0x07
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16


class UnreadableRecords(CorruptRecordException):  # type: ignore[misc]  # aiokafka has no types
    """A batch that cannot be read, however often it is fetched; it names the partition and the offset."""

    def __init__(self, place: TopicPartition, offset: int, why: str) -> None:
        super().__init__(f"{place.topic}/{place.partition} cannot be read from offset {offset} on: {why}")
        self.place = place
        self.offset = offset


class TooLarge(Exception):
    """A batch would inflate to more than is allowed."""


class FetchedRecord(NamedTuple):
    """A record as it was sent. aiokafka's own takes twice as long to make, which is felt a million times."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class GuardedRecords:
    """The batches of a partition's share of a fetch, opened one at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batches = MemoryRecords(data)
        self._start = 0
        self._end = 0
        self._repaired: DefaultRecordBatch | None = None

    def size_in_bytes(self) -> int:
        """The bytes fetched."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is another batch."""
        return self._repaired is not None or self._batches.has_next()

    def next_batch(self) -> Any:
        """The next batch; a compressed one is inflated when it is iterated over."""
        if self._repaired is not None:
            repaired, self._repaired = self._repaired, None
            return _Sound(repaired)
        batch = self._batches.next_batch()
        (length,) = struct.unpack_from(">i", self._data, self._end + _LENGTH_AT)
        self._start, self._end = self._end, self._end + _LOG_OVERHEAD + length
        if self._data[self._start + _MAGIC_AT] < 2 or not batch.compression_type:
            return batch
        return _Compressed(batch, self)

    def inflate(self) -> bytes:
        """The current batch without compression, and without more headers than are allowed."""
        return limit_headers(inflate(memoryview(self._data)[self._start : self._end]))

    def repair(self) -> bool:
        """Read the current batch again, with names of headers made readable; False where they all were."""
        raw = memoryview(self._data)[self._start : self._end]
        if raw[_MAGIC_AT] < 2:
            return False
        opened = bytearray(self.inflate() if raw[_ATTRIBUTES_AT + 1] & _CODECS else raw)
        repaired = repair_header_names(opened)
        if repaired:
            self._repaired = DefaultRecordBatch(bytes(opened))
        return repaired


class _Compressed:
    """A batch that is inflated, within limits, when its records are asked for."""

    def __init__(self, batch: Any, records: GuardedRecords) -> None:
        self._batch = batch
        self._records = records

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(DefaultRecordBatch(self._records.inflate()))


class _Sound:
    """A batch whose check sum was right before its headers were repaired."""

    def __init__(self, batch: DefaultRecordBatch) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batch)

    def validate_crc(self) -> bool:
        """It was right."""
        return True


def inflate(raw: memoryview) -> bytes:
    """A compressed batch as an uncompressed one, with the same header; raises TooLarge."""
    (attributes,) = struct.unpack_from(">h", raw, _ATTRIBUTES_AT)
    target = memoryview(_BUFFER)
    size = _HEADER + _inflate_into(attributes & _CODECS, raw[_HEADER:], target[_HEADER:])
    target[:_HEADER] = raw[:_HEADER]
    struct.pack_into(">i", target, _LENGTH_AT, size - _LOG_OVERHEAD)
    struct.pack_into(">h", target, _ATTRIBUTES_AT, attributes & ~_CODECS)
    return bytes(target[:size])


_BUFFER = bytearray(BATCH_BYTES + _HEADER)
"""Every batch is inflated here first, which is the limit; only what is used of it takes memory."""


def _inflate_into(codec: int, packed: memoryview, target: memoryview) -> int:
    try:
        if codec == _GZIP:
            return int(cramjam.gzip.decompress_into(packed, target))
        if codec == _LZ4:
            return int(cramjam.lz4.decompress_into(packed, target))
        if codec == _ZSTD:
            return int(cramjam.zstd.decompress_into(packed, target))
        if codec == _SNAPPY:
            return _unsnap_into(packed, target)
    except cramjam.DecompressionError as error:
        raise TooLarge(f"it is damaged, or inflates to more than {BATCH_BYTES} bytes: {error}") from error
    raise CorruptRecordException(f"unknown compression {codec}")


def _unsnap_into(packed: memoryview, target: memoryview) -> int:
    """Snappy, raw or in the blocks that Java's clients write."""
    if packed[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return int(cramjam.snappy.decompress_raw_into(packed, target))
    at, size = _XERIAL_HEADER, 0
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        at += 4
        size += int(cramjam.snappy.decompress_raw_into(packed[at : at + length], target[size:]))
        at += length
    return size


def limit_headers(batch: bytes) -> bytes:
    """The batch with no more than MOST_HEADERS headers in each record."""
    if len(batch) <= _COUNTED_OVER:
        return batch
    (count,) = struct.unpack_from(">i", batch, _RECORD_COUNT_AT)
    parts: list[bytes] = []
    kept_from, at = 0, _HEADER
    for _ in range(count):
        start = at
        length, at = decode_varint(batch, at)
        body, at = at, at + length
        if length > _LARGE and (shorter := _with_fewer_headers(batch, body)) is not None:
            parts += [batch[kept_from:start], shorter]
            kept_from = at
    if not parts:
        return batch
    limited = bytearray(b"".join([*parts, batch[kept_from:]]))
    struct.pack_into(">i", limited, _LENGTH_AT, len(limited) - _LOG_OVERHEAD)
    return bytes(limited)


def _with_fewer_headers(batch: bytes, body: int) -> bytes | None:
    """The record whose body begins there with its first headers; None where it has no more than is allowed."""
    counted_at = _headers_at(batch, body)
    headers, first = decode_varint(batch, counted_at)
    if headers <= MOST_HEADERS:
        return None
    end = first
    for _ in range(2 * MOST_HEADERS):  # names and contents
        size, end = decode_varint(batch, end)
        end += max(size, 0)
    record = bytearray(batch[body:counted_at])
    encode_varint(MOST_HEADERS, record.append)
    record += batch[first:end]
    length = bytearray()
    encode_varint(len(record), length.append)
    return bytes(length + record)


def _headers_at(batch: bytes | bytearray, body: int) -> int:
    """Where the number of headers stands in the record whose body begins there."""
    at = body + 1  # attributes
    for _ in range(2):  # how much later than the first record, and how far behind it
        _, at = decode_varint(batch, at)
    for _ in range(2):  # key and value
        size, at = decode_varint(batch, at)
        at += max(size, 0)
    return at


def repair_header_names(batch: bytearray) -> bool:
    """Put `?` for the bytes of header names that are no UTF-8, in place; whether there were any."""
    repaired = False
    (count,) = struct.unpack_from(">i", batch, _RECORD_COUNT_AT)
    at = _HEADER
    for _ in range(count):
        length, at = decode_varint(batch, at)
        end = at + length
        headers, at = decode_varint(batch, _headers_at(batch, at))
        for _ in range(headers):
            size, at = decode_varint(batch, at)
            repaired |= _repair_name(batch, at, at + size)
            at += size
            size, at = decode_varint(batch, at)
            at += max(size, 0)
        at = end
    return repaired


def _repair_name(batch: bytearray, start: int, end: int) -> bool:
    try:
        batch[start:end].decode()
    except UnicodeDecodeError:
        batch[start:end] = bytes(byte if byte < 0x80 else ord("?") for byte in batch[start:end])
        return True
    return False
