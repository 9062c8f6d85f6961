"""Which model stands behind which kind of message, and which messages a topic carries.

Owns the names under which messages are published: of an input topic its own name with underscores, of an
output topic the kind. Nothing else maps names to models.
"""

from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel

from contracts.account_requests import AccountRequest
from contracts.account_standing import AccountStanding
from contracts.complaints import Complaint
from contracts.dead_letters import DeadLetter
from contracts.decisions import DECISIONS, CompanyTerminationCompleted
from contracts.order_status import OrderStatus
from contracts.seller_accounts import SellerAccount
from contracts.topics import Topic
from contracts.withdrawals import WITHDRAWALS


def _by_kind(models: Iterable[type[BaseModel]]) -> dict[str, type[BaseModel]]:
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


MESSAGES: dict[str, type[BaseModel]] = {
    "order_status": OrderStatus,
    "complaints": Complaint,
    "seller_accounts": SellerAccount,
    "account_requests": AccountRequest,
    **_by_kind([*DECISIONS, CompanyTerminationCompleted, *WITHDRAWALS]),
    "account_standing": AccountStanding,
    "dead_letter": DeadLetter,
}
"""Every message, by its name."""


def messages_of(topic: Topic) -> tuple[str, ...]:
    """The names of the messages that a topic carries, withdrawals after their decisions."""
    if topic.direction == "in":
        return (topic.name.replace("-", "_"),)
    both = (name for kind in topic.kinds for name in (kind, f"{kind}_withdrawn"))
    return tuple(name for name in both if name in MESSAGES)
