"""The topic `account-requests`: requests of sellers, answered on `request-outcomes`."""

from typing import Literal

from contracts.fields import Identifier, Message, Timestamp


class AccountRequest(Message):
    """A seller asks for a temporary activation (S3) or re-applies after a termination (T3)."""

    request_id: Identifier
    account_id: Identifier
    kind: Literal["temporary_activation", "reapplication"]
    occurred_at: Timestamp
