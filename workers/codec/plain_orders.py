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

AT_ONCE = 512
"""Orders that are read together. If one of them is not plain, each half is read by itself, and so on."""
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_is_timestamp = re.compile(TIMESTAMP).search
_match_amounts = re.compile(r"(?:[0-9]{1,18}(?:\.[0-9]{1,18})? [A-Z]{3}\n)*").fullmatch
_SECOND_AT = len("2016-08-01T16:00:")
_FRACTION_AT = len("2016-08-01T16:00:00")
_OFFSET_AT = -len("+08:00")
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


_decode_lines = msgspec.json.Decoder(PlainOrder).decode_lines


def read_plain(values: Sequence[bytes]) -> list[tuple[PlainOrder, Instant] | None]:
    """Each order in `values` with its instant; None where the contract's model must read it."""
    if len(values) <= AT_ONCE:
        try:
            if (found := _read_all(values)) is not None:
                return found
        except (ValueError, KeyError):
            pass  # the model says what is wrong with which of them
        if len(values) == 1:
            return [None]
    half = len(values) // 2
    return read_plain(values[:half]) + read_plain(values[half:])


def _read_all(values: Sequence[bytes]) -> list[tuple[PlainOrder, Instant] | None] | None:
    """All of them; None where some are not plain. Raises ValueError or KeyError where some are wrong."""
    text = b"\n".join(values)
    orders = _decode_lines(text)
    if len(orders) != len(values) or text.count(b"\n") >= max(1, len(values)) or not _are_plain(orders):
        return None
    return [(order, _instant(order.occurred_at)) for order in orders]


def _are_plain(orders: Sequence[PlainOrder]) -> bool:
    """Whether the texts of all these orders are as the model wants them; asked of many at once, for it costs less."""
    ids = "".join([f"{order.event_id}{order.order_id}{order.account_id}" for order in orders])
    amounts = [f"{each.value} {each.currency}\n" for order in orders if (each := order.amount) is not None]
    text = "".join(amounts)
    return ids.isprintable() and text.count("\n") == len(amounts) and _match_amounts(text) is not None


def _instant(text: str) -> Instant:
    """The same as `instant(text)`, from cached parts; raises ValueError or KeyError where it is no timestamp."""
    offset, microseconds = text[_FRACTION_AT:], 0
    if offset[:1] == ".":
        end = -1 if text[-1] == "Z" else _OFFSET_AT
        digits, offset = text[_FRACTION_AT + 1 : end], text[end:]
        if not digits.isascii() or not digits.isdigit():
            raise ValueError(text)
        microseconds = int(digits[:6].ljust(6, "0"))
    return _minute(text[:_SECOND_AT] + offset) + _SECONDS[text[_SECOND_AT:_FRACTION_AT]] + microseconds


@lru_cache(maxsize=50_000)
def _minute(text: str) -> Instant:
    """The start of a minute with its offset from UTC: `2016-08-01T16:00:+08:00`. Neighbouring orders share it."""
    whole = f"{text[:_SECOND_AT]}00{text[_SECOND_AT:]}"
    if not _is_timestamp(whole):
        raise ValueError(whole)
    return instant(whole)
