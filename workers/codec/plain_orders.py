"""Reads orders in their plain form in half the time that the contract's model takes.

What it reads, the model reads with the same result (tests/codec/test_plain_orders.py); only fields that are not in
the contract may exceed the model's limits. Everything else is left to the model, which also says what is wrong.
"""

import re
from functools import lru_cache
from typing import Annotated

import msgspec

from contracts.fields import TIMESTAMP, instant
from contracts.order_status import Status
from workers.rules.calendar import SECOND, Instant

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_is_timestamp = re.compile(TIMESTAMP).search
_SECOND_AT = len("2016-08-01T16:00:")
_FRACTION_AT = len("2016-08-01T16:00:00")
_OFFSET_AT = -len("+08:00")
_MICROSECOND_DIGITS = 6
_MOST_BRACKETS = 100
"""The depth that msgspec can read depends on the depth of Python's stack; the model always reads 200 levels."""
_ANY_DAY = "2016-02-01"
"""The day on which an offset is computed; with every offset it is after 1970."""
_SECONDS: dict[str, Instant] = {f"{second:02}": second * SECOND for second in range(60)}


class _Amount(msgspec.Struct, gc=False):
    value: str
    currency: str


class PlainOrder(msgspec.Struct, gc=False):
    """The fields of `contracts.order_status.OrderStatus`."""

    event_id: _Id
    order_id: _Id
    account_id: _Id
    status: Status
    occurred_at: str
    previous_status: Status | None = None
    amount: _Amount | None = None


_decode = msgspec.json.Decoder(PlainOrder).decode


def read_plain(value: bytes) -> tuple[PlainOrder, Instant] | None:
    """The order in `value` and its instant; None where the contract's model must read it."""
    if not value.isascii() or value.count(b"[") + value.count(b"{") > _MOST_BRACKETS:
        return None
    try:
        order = _decode(value)
        at = _plain_instant(order.occurred_at)
    except (ValueError, KeyError, RecursionError):
        return None  # the model says what is wrong
    if not f"{order.event_id}{order.order_id}{order.account_id}".isprintable():
        return None
    return None if order.amount is not None and not _plain_amount(order.amount) else (order, at)


def _plain_amount(amount: _Amount) -> bool:
    currency, (whole, point, fraction) = amount.currency, amount.value.partition(".")
    return (
        len(currency) == 3
        and currency.isascii()
        and currency.isalpha()
        and currency.isupper()
        and amount.value.isascii()
        and whole.isdigit()
        and len(whole) <= 18
        and (not point or (fraction.isdigit() and len(fraction) <= 18))
    )


def _plain_instant(text: str) -> Instant:
    """The same as `instant(text)`, from cached parts; raises ValueError or KeyError where it is no timestamp."""
    at = _minute(text[:_SECOND_AT]) + _SECONDS[text[_SECOND_AT:_FRACTION_AT]]
    if text[-1] == "Z":
        fraction = text[_FRACTION_AT:-1]
    else:
        fraction = text[_FRACTION_AT:_OFFSET_AT]
        at += _offset(text[_OFFSET_AT:])
    if fraction:
        digits = fraction[1:7]
        if fraction[0] != "." or not fraction.isascii() or not fraction[1:].isdigit():
            raise ValueError(text)
        at += int(digits) if len(digits) == _MICROSECOND_DIGITS else int(digits.ljust(_MICROSECOND_DIGITS, "0"))
    if at < 0:
        raise ValueError(text)
    return at


@lru_cache(maxsize=100_000)
def _minute(text: str) -> Instant:
    return _checked(f"{text}00Z")


@lru_cache(maxsize=10_000)
def _offset(text: str) -> Instant:
    return _checked(f"{_ANY_DAY}T00:00:00{text}") - _checked(f"{_ANY_DAY}T00:00:00Z")


def _checked(timestamp: str) -> Instant:
    if not _is_timestamp(timestamp):
        raise ValueError(timestamp)
    return instant(timestamp)
