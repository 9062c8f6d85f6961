"""What the models of the input topics take and refuse, where an example file would not show it."""

import json
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.account_requests import AccountRequest
from contracts.complaints import Complaint
from contracts.fields import CompanyName, Identifier, Timestamp, instant
from contracts.order_status import EFFECTIVE, OrderStatus
from contracts.seller_accounts import SellerAccount

ORDER: dict[str, object] = {
    "event_id": "e",
    "order_id": "o",
    "account_id": "a",
    "status": "awaiting_shipment",
    "occurred_at": "2016-08-01T16:00:00Z",
}
INPUTS = (OrderStatus, Complaint, SellerAccount, AccountRequest)


def read(**changes: object) -> OrderStatus:
    return TypeAdapter(OrderStatus).validate_json(json.dumps(ORDER | changes))


def accepts(kind: Any, value: str) -> bool:
    try:
        TypeAdapter(kind).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01T08:00:00+08:00", 0),
        ("1970-01-01T00:00:00-05:30", 19_800_000_000),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2016-08-01T16:00:00.123456+08:00", 1_470_038_400_123_456),
        ("9999-12-31T23:59:59.999999-23:59", 253_402_387_139_999_999),
    ],
)
def test_an_instant_is_exact_to_the_microsecond_and_further_digits_are_cut_off(text: str, microseconds: int) -> None:
    assert accepts(Timestamp, text)
    assert instant(text) == microseconds


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00+14:00", "1970-01-01T07:59:59.999999+08:00"])
def test_an_instant_before_1970_in_utc_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="before 1970"):
        instant(text)


def exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def test_a_day_is_accepted_if_and_only_if_the_calendar_has_it_from_1970_on() -> None:
    adapter = TypeAdapter(Timestamp)
    years = [*range(1895, 2120), 2199, 2200, 2396, 2400, 2500, 3200, 3600, 4000, 9996, 9999]
    for year, month, day in ((y, m, d) for y in years for m in range(14) for d in range(33)):
        text = f"{year:04}-{month:02}-{day:02}T00:00:00Z"
        try:
            adapter.validate_python(text)
            accepted = True
        except ValidationError:
            accepted = False
        assert accepted == (year >= 1970 and exists(year, month, day)), text
        assert not accepted or instant(text) >= 0


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_no_control_character_stands_in_an_id_or_a_name(code: int) -> None:
    for kind in (Identifier, CompanyName):
        assert not accepts(kind, f"a{chr(code)}b")


def test_other_characters_stand_in_an_id_line_separators_and_spaces_too() -> None:
    for each in (" ", "\u2028", "\u200b", "\ufeff", "é", "义", "\U0001f3ed", "\ue000", "\u00a0"):
        assert accepts(Identifier, each)


def test_a_length_is_counted_in_characters_not_in_bytes() -> None:
    for kind, most in ((Identifier, 128), (CompanyName, 256)):
        assert accepts(kind, "\U0001f3ed" * most)
        assert not accepts(kind, "a" * (most + 1))
        assert not accepts(kind, "")


def test_a_name_of_white_space_alone_is_blank_whatever_the_white_space() -> None:
    for code in range(0x3001):
        if chr(code).isspace():
            assert not accepts(CompanyName, chr(code)), hex(code)
            assert accepts(CompanyName, f" {chr(code)}a") == (chr(code) > "\x9f" or chr(code) == " "), hex(code)


def test_an_order_is_effective_under_the_chinese_names_as_under_the_english_ones() -> None:
    assert {
        "awaiting_shipment",
        "awaiting_prepayment_confirmation",
        "awaiting_full_prepayment",
        "待卖家发货",
        "待您确认预付款金额",
        "待付足预付款",
    } == EFFECTIVE
    for status in EFFECTIVE:
        order = read(status=status, previous_status=status)
        assert order.status in EFFECTIVE
        assert order.previous_status in EFFECTIVE
    assert read(status="drafted").status not in EFFECTIVE


def test_a_null_optional_field_is_a_missing_one() -> None:
    assert read(previous_status=None, amount=None) == read()


def test_unknown_fields_are_ignored_even_where_they_are_odd() -> None:
    assert read(**{"": [], "weather": {"NaN": [1e300]}}) == read()


def nested(depth: int) -> bytes:
    return b'{"account_id": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize("model", INPUTS)
@pytest.mark.parametrize(
    "value",
    [
        nested(100_000),
        nested(500_000),
        b"[" * 1_000_000,
        b'{"a": ' * 150_000,
        b'{"account_id": ' + b"9" * 1_000_000 + b"}",
        b'{"account_id": "' + b"a" * 1_000_000 + b'"}',
        b'{"account_id": "' + b"\\u0000" * 150_000 + b'"}',
        b'{"occurred_at": "2016-08-01T16:00:00.' + b"0" * 1_000_000 + b'"}',
        b"\x00" * 1_000_000,
        b" " * 1_000_000,
    ],
    ids=[
        "nested_100000",
        "nested_500000",
        "open_brackets",
        "open_braces",
        "endless_number",
        "endless_id",
        "endless_escapes",
        "endless_fraction",
        "zeros",
        "blanks",
    ],
)
def test_a_value_that_goes_on_and_on_is_refused(model: type[BaseModel], value: bytes) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(model).validate_json(value)


def test_messages_cannot_be_changed_once_read() -> None:
    order = read()
    with pytest.raises(ValidationError):
        order.account_id = "another"
