"""The topic `order-status`: an order moved to a status.

Owns the names of the statuses, English and Chinese. Orders are the many messages: everything about one is
checked in Rust, and the two names of a status are told to be one only where a status is looked at.
"""

from typing import Literal

from contracts.fields import Identifier, Message, Money, Timestamp

Status = Literal[
    "drafted",
    "awaiting_prepayment",
    "awaiting_shipment",
    "awaiting_prepayment_confirmation",
    "awaiting_full_prepayment",
    "shipped",
    "completed",
    "cancelled",
    "refunded",
    "待卖家发货",
    "待您确认预付款金额",
    "待付足预付款",
]

ENGLISH: dict[Status, Status] = {
    "待卖家发货": "awaiting_shipment",
    "待您确认预付款金额": "awaiting_prepayment_confirmation",
    "待付足预付款": "awaiting_full_prepayment",
}
"""The three statuses that have a Chinese name too."""

EFFECTIVE: frozenset[Status] = frozenset(ENGLISH) | frozenset(ENGLISH.values())
"""The statuses, under both names, whose entering makes an order effective."""


class OrderStatus(Message):
    """One change of an order's status."""

    event_id: Identifier
    order_id: Identifier
    account_id: Identifier
    status: Status
    previous_status: Status | None = None
    occurred_at: Timestamp
    amount: Money | None = None
