"""The kinds of fields that messages share: ids, names, instants and amounts of money (CONTRACTS).

Patterns and literals are checked in Rust by pydantic-core; nothing here runs Python for each message.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

_RFC3339 = (
    r"^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$"
)

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\p{Cc}]+$", strict=True)]
"""1 to 128 characters, none of them a control character."""

CompanyName = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\p{Cc}]*[^\p{Cc}\s][^\p{Cc}]*$", strict=True)
]
"""1 to 256 characters, not blank, none of them a control character."""

Timestamp = Annotated[str, StringConstraints(pattern=_RFC3339, strict=True)]
"""RFC 3339 with an offset, from 1970 on; digits beyond microseconds are cut off."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(timestamp: str) -> int:
    """Microseconds since 1970 UTC of a `Timestamp`; raises ValueError for a day that no month has."""
    return (datetime.fromisoformat(timestamp.upper()) - _EPOCH) // _MICROSECOND


class Message(BaseModel):
    """A message of an input topic: unknown fields are ignored, a wrong or missing one makes a dead letter."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Money(Message):
    """An amount of money."""

    value: Annotated[str, StringConstraints(pattern=r"^-?\d{1,18}(\.\d{1,18})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
