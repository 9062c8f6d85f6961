"""CloudEvents 1.0 in binary content mode over Kafka: the headers of every message that is published.

Owns the headers' names; the values are filled in where a message takes its place in the decision log, its
`ce_id` as a UUIDv5 of the deployment's incarnation and `shard/seq` of its row.
"""

from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Published, WrittenInstant


class Headers(Published):
    """The headers of a message, each of them UTF-8 text."""

    ce_specversion: Literal["1.0"]
    ce_id: Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """Unique for each message, and the same when a message is ever sent again."""
    ce_source: Annotated[str, Field(min_length=1)]
    ce_type: Annotated[str, Field(pattern=r"^standing\.[a-z_]+\.v1$")]
    """`standing.`, the kind, and `.v1`."""
    ce_time: WrittenInstant
    """When the message was recorded."""
    ce_subject: Annotated[str, Field(min_length=1)]
    """The account id or the company key; of a dead letter, the record's place."""
    ce_dataschema: Annotated[str, Field(pattern=r"^urn:standing:schema:[a-z_]+:v1$")]
    """The `$id` of the value's JSON Schema."""
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    traceparent: str | None = None
    """The W3C trace context of the fact behind the message, where it carried one."""
