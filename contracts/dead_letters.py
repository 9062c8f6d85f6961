"""The topic `dead-letters`: input records that are not valid facts, as they were read, and why."""

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
    """Null for a header without a value."""


class LargeValue(Published):
    """A value over 64 KiB: its digest, its length in bytes and its first KiB."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    length: Annotated[int, Field(ge=0)]
    head: Base64
    """The first KiB."""


class DeadLetter(Published):
    """A record that is not a valid fact."""

    kind: Literal["dead_letter"]
    reason: Reason
    detail: str
    """What is wrong, with the name of the field."""
    topic: InputTopic
    """The record's topic, without the deployment's prefix."""
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    timestamp: WrittenInstant
    """The record's own timestamp."""
    key: Base64 | None
    """The first 64 KiB of the key."""
    key_length: Annotated[int, Field(ge=0)] | None = None
    """The length of the key in bytes, where it is over 64 KiB."""
    headers: list[DeadHeader]
    """The first headers: at most 1,000, and at most 64 KiB."""
    headers_left_out: Annotated[int, Field(ge=0)] | None = None
    """The number of the other headers."""
    value: Base64 | LargeValue | None
    """Null for a record without a value."""
    recorded_at: WrittenInstant | None = None
    """When the engine read the record."""
