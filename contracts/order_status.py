"""The topic `order-status`: an order moved to a status. Three statuses have an English and a Chinese name."""

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
"""The English names of the statuses that have a Chinese name too."""

EFFECTIVE: frozenset[Status] = frozenset(ENGLISH) | frozenset(ENGLISH.values())
"""The statuses that make an order effective when it enters one of them, under both names."""


class OrderStatus(Message):
    """An order moved to a status."""

    event_id: Identifier
    order_id: Identifier
    account_id: Identifier
    status: Status
    previous_status: Status | None = None
    """Without it, an order that moves to one of the three statuses with Chinese names counts as effective."""
    occurred_at: Timestamp
    amount: Money | None = None
