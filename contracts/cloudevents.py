"""The headers of every published message: CloudEvents 1.0 in binary content mode over Kafka."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Published, WrittenInstant


class Headers(Published):
    """The headers of a published message, each of them UTF-8 text."""

    ce_specversion: Literal["1.0"]
    ce_id: Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """A UUIDv5, unique for each message. A message that is sent again has the same id."""
    ce_source: Annotated[str, Field(min_length=1)]
    ce_type: Annotated[str, Field(pattern=r"^standing\.[a-z_]+\.v1$")]
    """`standing.`, the kind, and `.v1`."""
    ce_time: WrittenInstant
    """When the engine recorded the message."""
    ce_subject: Annotated[str, Field(min_length=1)]
    """The account id or the company key; of a dead letter, topic/partition/offset of the record."""
    ce_dataschema: Annotated[str, Field(pattern=r"^urn:standing:schema:[a-z_]+:v1$")]
    """The `$id` of the value's JSON Schema."""
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    traceparent: str | None = None
    """The W3C trace context of the fact that the message follows from, if it had one."""
