"""The model of every message by its name, and the messages of every topic.

The name of an input message is that of its topic with underscores, the name of a published message is its kind.
"""

from pydantic import BaseModel

from contracts.account_requests import AccountRequest
from contracts.account_standing import AccountStanding
from contracts.complaints import Complaint
from contracts.dead_letters import DeadLetter
from contracts.decisions import DECISION_MODELS, SIGNAL_MODELS, WITHDRAWAL_MODELS
from contracts.kinds import DEAD_LETTER, STANDING, kinds_of
from contracts.order_status import OrderStatus
from contracts.seller_accounts import SellerAccount
from contracts.topics import Topic

MESSAGES: dict[str, type[BaseModel]] = {
    "order_status": OrderStatus,
    "complaints": Complaint,
    "seller_accounts": SellerAccount,
    "account_requests": AccountRequest,
    **DECISION_MODELS,
    **SIGNAL_MODELS,
    **WITHDRAWAL_MODELS,
    STANDING.name: AccountStanding,
    DEAD_LETTER.name: DeadLetter,
}
"""The model of every message by its name."""


def messages_of(topic: Topic) -> tuple[str, ...]:
    """The names of the messages of a topic, each withdrawal after its decision."""
    if topic.direction == "in":
        return (topic.replace("-", "_"),)
    both = (name for kind in kinds_of(topic) for name in (kind.name, kind.withdrawal))
    return tuple(name for name in both if name in MESSAGES)
