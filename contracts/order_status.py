"""The topic `order-status`: an order moved to a status."""

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

EFFECTIVE = frozenset(
    {
        "awaiting_shipment",
        "awaiting_prepayment_confirmation",
        "awaiting_full_prepayment",
        "待卖家发货",
        "待您确认预付款金额",
        "待付足预付款",
    }
)
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
