"""Reads policy files, in the format of ``schemas/policies/*.toml``. A bad file stops the start.

Unknown fields are refused, so that a misspelt parameter is noticed.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, reset_tzpath

import msgspec
from msgspec import Meta, Struct

from workers.ops.refused import Refused
from workers.rules.calendar import instant, written
from workers.rules.policy import Policies, Policy, PolicyStamp, Violation

reset_tzpath(to=())  # only the pinned tzdata, never the machine's time zones

Shape = TypeVar("Shape", bound=Struct)


class BadPolicy(Refused):
    """A policy file is invalid; the message names the file and the field."""


_Identifier = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""As in `contracts.fields`."""
_Days = Annotated[int, Meta(ge=1, le=36_500)]


class _Money(Struct, forbid_unknown_fields=True):
    value: Annotated[str, Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?\Z")]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


class _ViolationRow(Struct, forbid_unknown_fields=True):
    penalty: Literal["none", "warn", "terminate"]
    after: _Days = 1
    within_days: _Days | None = None
    exempt_causes: list[_Identifier] = []
    minimum_order_value: _Money | None = None


class _PolicyFile(Struct, forbid_unknown_fields=True):
    id: _Identifier
    effective_from: Annotated[datetime, Meta(tz=True)]
    time_zone: str
    day_count: Literal["calendar", "elapsed"]
    inactivity_days: _Days
    activation_days: _Days
    lockout_days: _Days
    reapply_days: _Days
    inactivity_notices: list[_Days]
    activation_notices: list[_Days]
    exempt_causes: list[_Identifier]
    violations: dict[_Identifier, dict[str, Any]]
    """A `_ViolationRow` of each category; an error names the category."""


def read_policy(name: str, content: bytes) -> Policy:
    """The policy of one file. Raises BadPolicy."""
    try:
        fields = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPolicy(f"{name}: not a TOML file: {error}") from error
    file = _read(name, fields, _PolicyFile)
    return Policy(
        stamp=PolicyStamp(file.id, hashlib.sha256(content).hexdigest()),
        effective_from=instant(file.effective_from),
        zone=_zone(name, file.time_zone),
        day_count=file.day_count,
        inactivity_days=file.inactivity_days,
        activation_days=file.activation_days,
        lockout_days=file.lockout_days,
        reapply_days=file.reapply_days,
        inactivity_notices=_distinct(f"{name}: inactivity_notices", file.inactivity_notices),
        activation_notices=_distinct(f"{name}: activation_notices", file.activation_notices),
        exempt_causes=frozenset(file.exempt_causes),
        violations={
            category: _violation(_read(f"{name}: violations.{category}", row, _ViolationRow))
            for category, row in file.violations.items()
        },
    )


def _read(name: str, fields: Mapping[str, Any], kind: type[Shape]) -> Shape:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise BadPolicy(f"{name}: {error}") from error


def _zone(name: str, zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise BadPolicy(f"{name}: time_zone: there is no time zone {zone!r}") from error


def _distinct(name: str, days: list[int]) -> tuple[int, ...]:
    if len(set(days)) != len(days):
        raise BadPolicy(f"{name}: a number of days occurs twice")
    return tuple(days)


def _violation(row: _ViolationRow) -> Violation:
    minimum = row.minimum_order_value
    return Violation(
        penalty=row.penalty,
        after=row.after,
        within_days=row.within_days,
        exempt_causes=frozenset(row.exempt_causes),
        minimum_order_value=None if minimum is None else Decimal(minimum.value),
        minimum_order_currency=None if minimum is None else minimum.currency,
    )


def read_policies(files: Sequence[tuple[str, bytes]]) -> Policies:
    """The policies of files given as (name, content). Raises BadPolicy, also where two share an id or a start."""
    if not files:
        raise BadPolicy("no policy file (*.toml) was found: set STANDING_POLICIES to a directory that has one")
    names: dict[str, str] = {}
    starts: dict[int, str] = {}
    policies: list[Policy] = []
    for name, content in files:
        policy = read_policy(name, content)
        if (other := names.setdefault(policy.stamp.id, name)) != name:
            raise BadPolicy(f"{name}: id: {policy.stamp.id!r} is the id of {other} too")
        if (other := starts.setdefault(policy.effective_from, name)) != name:
            raise BadPolicy(f"{name}: effective_from: {written(policy.effective_from)} is that of {other} too")
        policies.append(policy)
    return Policies(policies)


def load_policies(directory: Path) -> Policies:
    """The policies of every ``*.toml`` in a directory. Raises BadPolicy."""
    if not directory.is_dir():
        raise BadPolicy(f"{directory}: STANDING_POLICIES is not a directory")
    return read_policies([(path.name, path.read_bytes()) for path in sorted(directory.glob("*.toml"))])
