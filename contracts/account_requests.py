"""The topic `account-requests`: what a seller asks for his account."""

from typing import Literal

from contracts.fields import Identifier, Message, Timestamp


class AccountRequest(Message):
    """A seller asks for a temporary activation or to be admitted again."""

    request_id: Identifier
    account_id: Identifier
    kind: Literal["temporary_activation", "reapplication"]
    occurred_at: Timestamp
