"""The types of fields that messages share: ids, names, instants and amounts of money.

pydantic-core checks patterns and literals in Rust; no Python runs for each message. The patterns mean the same in
Rust, ECMAScript and Python, because the JSON Schemas contain them.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_CONTROL = r"\u0000-\u001f\u007f-\u009f"  # Unicode's category Cc
_BLANK = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # its white space that is not in Cc

_YEAR = r"(19[7-9][0-9]|[2-9][0-9]{3})"
_LEAP_YEAR = r"(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)"
_MONTH_AND_DAY = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"({_YEAR}-{_MONTH_AND_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
TIMESTAMP = rf"^{_DATE}[Tt]{_TIME}(\.[0-9]+)?{_OFFSET}$"

Identifier = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=f"^[^{_CONTROL}]+$",
        strict=True,
        description="1 to 128 characters without control characters",
    ),
]

CompanyName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        pattern=f"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$",
        strict=True,
        description="1 to 256 characters without control characters, not only white space",
    ),
]

Timestamp = Annotated[
    str,
    Field(
        pattern=TIMESTAMP,
        strict=True,
        description="RFC 3339 with an offset, in 1970 or later; digits beyond microseconds are cut off",
    ),
]

WrittenInstant = Annotated[
    str,
    Field(
        pattern=rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}\.[0-9]{{6}}Z$",
        description="RFC 3339 in UTC with microseconds, as in 2016-08-01T16:00:00.000000Z",
    ),
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(timestamp: str) -> int:
    """Microseconds since 1970-01-01T00:00:00Z. Raises ValueError for no timestamp, and for an earlier one."""
    at = (datetime.fromisoformat(timestamp.upper()) - _EPOCH) // _MICROSECOND
    if at < 0:
        raise ValueError("it lies before 1970-01-01T00:00:00Z")
    return at


class Message(BaseModel):
    """A message of an input topic. Unknown fields are ignored; an invalid or missing field makes a dead letter.

    An optional field that is null counts as missing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, use_attribute_docstrings=True)


def _open_to_more_fields(schema: dict[str, Any]) -> None:
    schema.pop("additionalProperties", None)


class Published(BaseModel):
    """A published message, or a part of one, with exactly these fields.

    The JSON Schema allows others, because later versions may add optional fields; readers ignore them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra=_open_to_more_fields,
    )


class Money(Message):
    """An amount of money."""

    value: Annotated[
        str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$", description="a decimal number, not negative")
    ]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, as in USD")]
