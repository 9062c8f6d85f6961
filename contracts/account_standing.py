"""The topic `account-standing`: the current standing of every account. It is compacted by account."""

from typing import Annotated

from pydantic import Field

from contracts.decision_parts import Company, Standing
from contracts.fields import Identifier, Published, WrittenInstant


class AccountStanding(Published):
    """The current standing of an account. Orders move the `deadline` of an active account without a message."""

    account_id: Identifier
    standing: Standing
    since: WrittenInstant
    """The instant from which the standing holds."""
    company: Company
    deadline: WrittenInstant | None = None
    """The instant at which `next` follows or becomes possible, unless an order or another fact comes first."""
    next: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The kind of the decision that follows, or `reapplication_possible` or `lockout_ends`."""
    reason: str
    """Why the account has this standing, in English."""
    cure: str
    """What the seller can do, in English."""
    sequence: Annotated[
        int,
        Field(ge=0, description="the `sequence` of the account's last decision or withdrawal; 0 where there is none"),
    ]
    recorded_at: WrittenInstant | None = None
    """When the engine recorded the message."""
