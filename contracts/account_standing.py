"""The topic `account-standing`: what is to be said of an account now; compacted, so the newest value stays."""

from typing import Annotated

from pydantic import Field

from contracts.decision_parts import Company, Standing
from contracts.fields import Identifier, Published, WrittenInstant


class AccountStanding(Published):
    """The account now. An order moves an active account's `deadline` without a message."""

    account_id: Identifier
    standing: Standing
    since: WrittenInstant
    company: Company
    deadline: WrittenInstant | None = None
    """When something follows without the seller's doing, or becomes possible."""
    next: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """What that is."""
    reason: str
    """Why the account stands as it does."""
    cure: str
    """What the seller can do."""
    sequence: Annotated[
        int, Field(ge=0, description="the number of the account's message behind this one; 0 where there is none yet")
    ]
    recorded_at: WrittenInstant | None = None
    """When it was decided."""
