"""The topic `dead-letters`: a record that could not be taken in, as it was read, and why."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.decision_parts import InputTopic
from contracts.fields import Published, WrittenInstant
from contracts.reasons import Reason

Base64 = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9+/]*={0,2}$", json_schema_extra={"contentEncoding": "base64"}),
]


class DeadHeader(Published):
    """One header of the record."""

    name: str
    value: Base64 | None
    """Null where the header had no value."""


class LargeValue(Published):
    """What is kept of a value over 64 KiB."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    length: Annotated[int, Field(ge=0)]
    head: Base64
    """The first KiB."""


class DeadLetter(Published):
    """A record that could not be taken in."""

    kind: Literal["dead_letter"]
    reason: Reason
    detail: str
    """What is wrong, and with which field."""
    topic: InputTopic
    """Without the prefix."""
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    timestamp: WrittenInstant
    """The record's own timestamp."""
    key: Base64 | None
    """Its first 64 KiB."""
    key_length: Annotated[int, Field(ge=0)] | None = None
    """Where the key was longer."""
    headers: list[DeadHeader]
    """The first 1,000, and no more than 64 KiB."""
    headers_left_out: Annotated[int, Field(ge=0)] | None = None
    """How many more there were."""
    value: Base64 | LargeValue | None
    recorded_at: WrittenInstant | None = None
    """When it was read."""
