"""Reads orders in their plain form, many at a time, in a third of the time that the contract's model takes.

What it reads, the model reads with the same result (tests/codec/test_plain_orders.py). Orders with other fields than
those of the contract, and all that is wrong with an order, are left to the model.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from contracts.fields import TIMESTAMP, instant
from contracts.order_status import Status
from workers.rules.calendar import SECOND, Instant

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_is_timestamp = re.compile(TIMESTAMP).search
_match_amounts = re.compile(r"(?:[0-9]{1,18}(?:\.[0-9]{1,18})? [A-Z]{3}\n)*").fullmatch
_MINUTE_AT = len("2016-08-01T")
_SECOND_AT = len("2016-08-01T16:00:")
_FRACTION_AT = len("2016-08-01T16:00:00")
_OFFSET_AT = -len("+08:00")
_MICROSECOND_DIGITS = 6
_ANY_DAY = "2016-02-01"
"""The day on which an offset is computed; with every offset it is after 1970."""
_MINUTES: dict[str, Instant] = {f"{at // 60:02}:{at % 60:02}:": at * 60 * SECOND for at in range(24 * 60)}
_SECONDS: dict[str, Instant] = {f"{second:02}": second * SECOND for second in range(60)}


class _Amount(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    value: str
    currency: str


class PlainOrder(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The fields of `contracts.order_status.OrderStatus`."""

    event_id: _Id
    order_id: _Id
    account_id: _Id
    status: Status
    occurred_at: str
    previous_status: Status | None = None
    amount: _Amount | None = None


_decode = msgspec.json.Decoder(PlainOrder).decode


def read_plain(values: Sequence[bytes]) -> list[tuple[PlainOrder, Instant] | None]:
    """Each order in `values` with its instant; None where the contract's model must read it."""
    found: list[tuple[PlainOrder, Instant] | None] = []
    for value in values:
        try:
            order = _decode(value)
            found.append((order, _instant(order.occurred_at)))
        except (ValueError, KeyError):
            found.append(None)  # the model says what is wrong
    if not _are_plain([each[0] for each in found if each is not None]):
        found = [each if each is not None and _are_plain([each[0]]) else None for each in found]
    return found


def _are_plain(orders: Sequence[PlainOrder]) -> bool:
    """Whether the texts of all these orders are as the model wants them; asked of many at once, for it costs less."""
    ids = "".join([f"{order.event_id}{order.order_id}{order.account_id}" for order in orders])
    amounts = [f"{each.value} {each.currency}\n" for order in orders if (each := order.amount) is not None]
    text = "".join(amounts)
    return ids.isprintable() and text.count("\n") == len(amounts) and _match_amounts(text) is not None


def _instant(text: str) -> Instant:
    """The same as `instant(text)`, from cached parts; raises ValueError or KeyError where it is no timestamp."""
    at = _day(text[:_MINUTE_AT]) + _MINUTES[text[_MINUTE_AT:_SECOND_AT]] + _SECONDS[text[_SECOND_AT:_FRACTION_AT]]
    if text[-1] == "Z":
        fraction = text[_FRACTION_AT:-1]
    else:
        fraction = text[_FRACTION_AT:_OFFSET_AT]
        at += _offset(text[_OFFSET_AT:])
    if fraction:
        digits = fraction[1:]
        if fraction[0] != "." or not digits.isascii() or not digits.isdigit():
            raise ValueError(text)
        at += int(digits if len(digits) == _MICROSECOND_DIGITS else digits[:6].ljust(_MICROSECOND_DIGITS, "0"))
    if at < 0:
        raise ValueError(text)
    return at


@lru_cache(maxsize=50_000)
def _day(text: str) -> Instant:
    return _checked(f"{text}00:00:00Z")


@lru_cache(maxsize=10_000)
def _offset(text: str) -> Instant:
    return _checked(f"{_ANY_DAY}T00:00:00{text}") - _checked(f"{_ANY_DAY}T00:00:00Z")


def _checked(timestamp: str) -> Instant:
    if not _is_timestamp(timestamp):
        raise ValueError(timestamp)
    return instant(timestamp)
