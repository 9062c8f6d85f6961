"""Which orders count, and when: read the quick way and by the contract's model alike."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder, Read
from workers.rules.calendar import SECOND, Instant

NOON = 1_470_052_800 * SECOND
"""2016-08-01T12:00:00Z."""
QUICK, BY_THE_MODEL = "a", "商家"
"""Account ids: what is not ASCII is read by the model."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of `order-status`."""

    value: bytes
    offset: int = 0
    topic: str = "order-status"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def order(account_id: str, **changes: Any) -> bytes:
    known = {"event_id": "e", "order_id": "o", "account_id": account_id, "status": "awaiting_shipment"}
    return json.dumps(known | {"occurred_at": "2016-08-01T12:00:00Z"} | changes).encode()


def read(*values: bytes) -> tuple[dict[str, list[tuple[Instant, str]]], Read]:
    """The effective orders, and what the records say of time."""
    said = Batch()
    decoder = Decoder(policies_of(SAMPLE.read_text()), 1 << 20)
    records = [Sent(value, offset) for offset, value in enumerate(values)]
    found = decoder.decode("order-status", records, said, NOON + 365 * 86_400 * SECOND)
    assert not said.rejected
    return said.orders, found


@pytest.mark.parametrize("account_id", [QUICK, BY_THE_MODEL])
@pytest.mark.parametrize(
    ("written", "after_noon"),
    [
        ("2016-08-01T12:00:00Z", 0),
        ("2016-08-01T12:00:00.5Z", 500_000),
        ("2016-08-01T12:00:00.000005Z", 5),
        ("2016-08-01T12:00:00.0000009Z", 0),
        ("2016-08-01T12:00:00.999999999Z", 999_999),
        ("2016-08-01T12:00:59Z", 59 * SECOND),
        ("2016-08-01T20:00:00+08:00", 0),
        ("2016-08-01T20:00:00.25+08:00", 250_000),
        ("2016-08-01T08:30:00-03:30", 0),
        ("2016-08-02T00:00:00+08:00", 4 * 3600 * SECOND),
    ],
)
def test_an_instant_is_exact_and_digits_beyond_the_microsecond_are_cut_off(
    account_id: str, written: str, after_noon: int
) -> None:
    orders, _ = read(order(account_id, occurred_at=written))
    assert orders == {account_id: [(NOON + after_noon, "o")]}


@pytest.mark.parametrize("account_id", [QUICK, BY_THE_MODEL])
@pytest.mark.parametrize(
    ("status", "previous", "counts"),
    [
        ("awaiting_shipment", None, True),
        ("awaiting_shipment", "awaiting_prepayment", True),
        ("awaiting_full_prepayment", "drafted", True),
        ("awaiting_shipment", "awaiting_full_prepayment", False),
        ("awaiting_shipment", "awaiting_shipment", False),
        ("待卖家发货", None, True),
        ("待卖家发货", "待您确认预付款金额", False),
        ("awaiting_prepayment", None, False),
        ("shipped", "awaiting_shipment", False),
    ],
)
def test_an_order_counts_where_it_enters_one_of_the_three_states_and_moves_the_clock_anyway(
    account_id: str, status: str, previous: str | None, counts: bool
) -> None:
    changes = {} if previous is None else {"previous_status": previous}
    orders, found = read(order(account_id, status=status, **changes))
    assert orders == ({account_id: [(NOON, "o")]} if counts else {})
    assert found.latest == NOON


def test_reading_in_parts_gives_the_same_latest_instant_as_reading_the_whole() -> None:
    first, empty, later = Read(5, 10), Read(), Read(3, 20)
    assert first.then(later) == Read(5, 20)
    assert later.then(first) == Read(5, 10)
    assert first.then(empty) == empty.then(first) == first
