"""The limits on input records, at exactly their value and just beyond, and what of a record is passed on."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import Batch, ReceivedFact
from workers.codec.decoding import Decoder
from workers.codec.messages import dead_letter_message
from workers.commands.redrive import outgoing
from workers.enforcement.account_context import read_context
from workers.rules.calendar import DAY, SECOND, Instant, written
from workers.store.records import AccountRow, StoredHistory

POLICIES = policies_of(SAMPLE.read_text())
NOW = 17_000 * DAY + 12 * 3600 * SECOND
MOST_BYTES = 2000
FIELDS = {
    "order-status": {"order_id": "o", "status": "awaiting_shipment"},
    "complaints": {"case_id": "k", "source": "buyer_complaint", "category": "late_shipment", "outcome": "upheld"},
    "seller-accounts": {"status": "enrolled", "company_name": "Lamps"},
    "account-requests": {"kind": "temporary_activation"},
}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Sent:
    """A record as it was read."""

    topic: str
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None


def content(topic: str, at: str = "2016-03-01T00:00:00Z", **fields: object) -> dict[str, object]:
    """What a good message of the topic says."""
    name = "request_id" if topic == "account-requests" else "event_id"
    return {name: "e", "account_id": "a", **FIELDS[topic], "occurred_at": at, **fields}


def decoded(*records: Sent) -> Batch:
    said = Batch()
    Decoder(POLICIES, MOST_BYTES).decode(records[0].topic, records, said, NOW)
    return said


def refused(topic: str, **fields: Any) -> list[str]:
    """Why a message with these fields is no fact; nothing where it is one. Orders are read in both ways."""
    found = {
        tuple(
            each.reason
            for each in decoded(Sent(topic, json.dumps(content(topic, **fields, **more)).encode())).rejected
        )
        for more in ({}, {"extra": "more"})  # with another field an order is left to the model
    }
    [reasons] = found
    return list(reasons)


@pytest.mark.parametrize("topic", FIELDS)
def test_a_record_of_exactly_the_limit_is_read_and_one_byte_more_is_too_large(topic: str) -> None:
    for size, reasons in ((MOST_BYTES, []), (MOST_BYTES + 1, ["too_large"])):
        value = json.dumps(content(topic)).encode().ljust(size)
        assert [each.reason for each in decoded(Sent(topic, value)).rejected] == reasons


@pytest.mark.parametrize("topic", FIELDS)
def test_five_minutes_ahead_is_taken_and_a_microsecond_more_is_not(topic: str) -> None:
    limit: Instant = NOW + 300 * SECOND
    assert refused(topic, at=written(limit)) == []
    assert refused(topic, at=written(limit + 1)) == ["occurred_in_future"]
    assert refused(topic, at="9999-12-31T23:59:59.999999-23:59") == ["occurred_in_future"]


@pytest.mark.parametrize("topic", FIELDS)
@pytest.mark.parametrize(
    ("at", "reasons"),
    [
        ("1970-01-01T00:00:00Z", []),
        ("1970-01-01T14:00:00+14:00", []),
        ("1970-01-01T00:00:00-12:00", []),
        ("1970-01-01T13:59:59.999999+14:00", ["invalid_message"]),
        ("1970-01-01T00:00:00+14:00", ["invalid_message"]),
        ("1970-01-01T00:00:00+00:01", ["invalid_message"]),
        ("1969-12-31T23:59:59Z", ["invalid_message"]),
        ("1969-12-31T23:59:59-14:00", ["invalid_message"]),
    ],
)
def test_no_fact_lies_before_1970_in_utc(topic: str, at: str, reasons: list[str]) -> None:
    assert refused(topic, at=at) == reasons


@pytest.mark.parametrize("topic", FIELDS)
@pytest.mark.parametrize("letter", ["a", "信"])
def test_ids_have_at_most_128_characters_and_company_names_256(topic: str, letter: str) -> None:
    assert refused(topic, account_id=letter * 128) == []
    assert refused(topic, account_id=letter * 129) == ["invalid_message"]
    if topic == "seller-accounts":
        assert refused(topic, company_name=letter * 256) == []
        assert refused(topic, company_name=letter * 257) == ["invalid_message"]


@pytest.mark.parametrize("topic", FIELDS)
@pytest.mark.parametrize("account_id", ["a", "信"])
def test_json_is_read_200_levels_deep_whatever_else_is_in_it(topic: str, account_id: str) -> None:
    for depth, reasons in ((199, []), (201, ["invalid_json"])):
        text = json.dumps(content(topic, account_id=account_id), ensure_ascii=False)
        value = f'{text[:-1]}, "extra": {"[" * depth}{"]" * depth}}}'.encode()
        assert [each.reason for each in decoded(Sent(topic, value)).rejected] == reasons


def requests(count: int, at: Instant, first: int = 0) -> list[ReceivedFact]:
    """Requests of one account at an instant."""
    records = [
        Sent("account-requests", json.dumps(content("account-requests", written(at), request_id=f"r{each}")).encode())
        for each in range(first, first + count)
    ]
    return decoded(*records).facts["a"]


def test_fifty_requests_a_day_in_utc_are_taken_and_the_next_one_is_not() -> None:
    day = 16_900 * DAY
    received = [*requests(49, day), *requests(2, day + DAY - 1, 49), *requests(1, day + DAY, 51)]
    _, rejected = read_context(AccountRow("a"), StoredHistory(), received, (), POLICIES)
    assert [(each.reason, json.loads(each.record.value or b"")["request_id"]) for each in rejected] == [
        ("too_many_requests", "r50")
    ]


@pytest.mark.parametrize("topic", FIELDS)
@pytest.mark.parametrize(
    "header",
    [
        b"\xff" * 55,
        TRACE.encode().replace(b"4", "é".encode()),
        None,
        b"",
        b"x",
        TRACE.upper().encode(),
        TRACE.encode() + b"\n",
        TRACE.encode() + b"-more",
        TRACE.encode()[:-1],
        b"ff" + TRACE.encode()[2:],
        b"00-" + b"0" * 32 + TRACE.encode()[35:],
        TRACE.encode()[:36] + b"0" * 16 + b"-01",
        TRACE.encode().replace(b"-", b"_"),
        b"\x1b[2J" + TRACE.encode()[4:],
    ],
)
def test_a_traceparent_that_is_no_trace_context_stops_nothing_and_is_not_passed_on(
    topic: str, header: bytes | None
) -> None:
    value = json.dumps(content(topic)).encode()
    said = decoded(Sent(topic, value, (("traceparent", header),)), Sent(topic, value, offset=1))
    assert said.traceparents == {}
    assert not said.rejected
    assert decoded(Sent(topic, value, (("traceparent", TRACE.encode()),))).traceparents == {"a": TRACE}
    assert decoded(Sent(topic, value, (("tracestate", TRACE.encode()),))).traceparents == {}


def letter_of(**fields: Any) -> dict[str, Any]:
    """The dead letter of a record."""
    record = Sent("complaints", fields.pop("value", b"{}"), **fields)
    letter: dict[str, Any] = json.loads(
        dead_letter_message(record, "complaints", "invalid_json", "", written(NOW)).value
    )
    return letter


def test_a_dead_letter_keeps_64_kib_of_a_value_and_of_a_key() -> None:
    most = 64 * 1024
    whole, cut = (
        letter_of(value=b"v" * most, key=b"k" * most),
        letter_of(value=b"v" * (most + 1), key=b"k" * (most + 1)),
    )
    assert base64.b64decode(whole["value"]) == b"v" * most
    assert base64.b64decode(whole["key"]) == base64.b64decode(cut["key"]) == b"k" * most
    assert "key_length" not in whole
    assert (cut["key_length"], cut["value"]["length"]) == (most + 1, most + 1)
    assert base64.b64decode(cut["value"]["head"]) == b"v" * 1024


def test_a_dead_letter_keeps_a_thousand_headers_and_64_kib_of_them() -> None:
    for count, left_out in ((1000, None), (1001, 1)):
        letter = letter_of(headers=tuple(("h", b"") for _ in range(count)))
        assert (len(letter["headers"]), letter.get("headers_left_out")) == (1000, left_out)
    for size, kept in ((64 * 1024, 2), (64 * 1024 + 1, 1)):
        letter = letter_of(headers=(("a", b"x"), ("b", b"x" * (size - 3))))
        assert len(letter["headers"]) == kept
        assert letter.get("headers_left_out") == (None if kept == 2 else 1)


@pytest.mark.parametrize(
    ("timestamp", "said"),
    [
        (-1, "1970-01-01T00:00:00.000000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999000Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999000Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999000Z"),
        (-(2**63), "1970-01-01T00:00:00.000000Z"),
    ],
)
def test_a_dead_letter_of_any_timestamp_can_be_written(timestamp: int, said: str) -> None:
    assert letter_of(timestamp=timestamp)["timestamp"] == said


def test_a_header_without_a_value_is_sent_back_without_one_and_an_empty_one_empty() -> None:
    headers = (("none", None), ("empty", b""), ("some", b"\xff"))
    letter = letter_of(headers=headers)
    assert letter["headers"] == [
        {"name": "none", "value": None},
        {"name": "empty", "value": ""},
        {"name": "some", "value": "/w=="},
    ]
    assert tuple(outgoing(letter, "p.").headers)[:3] == headers
