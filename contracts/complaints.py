"""The topic `complaints`: outcomes of buyers' complaints and of platform inspections."""

from typing import Literal

from contracts.fields import Identifier, Message, Money, Timestamp


class Complaint(Message):
    """One outcome of one case against one account."""

    event_id: Identifier
    case_id: Identifier
    account_id: Identifier
    order_id: Identifier | None = None
    source: Literal["buyer_complaint", "platform_inspection"]
    category: Identifier
    outcome: Literal["opened", "upheld", "dismissed", "withdrawn", "reversed"]
    cause: Identifier | None = None
    order_amount: Money | None = None
    occurred_at: Timestamp
