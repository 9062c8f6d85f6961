"""Reads policy files, in the format of ``schemas/policies/*.toml``. A bad file stops the start.

Unknown fields are refused, so that a misspelt parameter is noticed.
"""

import hashlib
import tomllib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, reset_tzpath

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contracts.fields import Identifier
from workers.ops.refused import Refused
from workers.rules.calendar import instant, written
from workers.rules.policy import Policies, Policy, PolicyStamp, Violation

reset_tzpath(to=())  # only the pinned tzdata, never the machine's time zones


class BadPolicy(Refused):
    """A policy file is invalid; the message names the file and the field."""


def _distinct(days: list[int]) -> list[int]:
    if len(set(days)) != len(days):
        raise ValueError("a number of days occurs twice")
    return days


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


def _with_offset(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset, as in 2016-02-01T00:00:00+08:00")
    return at


_Days = Annotated[int, Field(ge=1, le=36_500, strict=True)]
_Notices = Annotated[list[_Days], AfterValidator(_distinct)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Money(_Strict):
    value: Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$", strict=True)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", strict=True)]


class _ViolationRow(_Strict):
    penalty: Literal["none", "warn", "terminate"]
    after: _Days = 1
    within_days: _Days | None = None
    exempt_causes: list[Identifier] = []
    minimum_order_value: _Money | None = None


class _PolicyFile(_Strict):
    id: Identifier
    effective_from: Annotated[datetime, Field(strict=True), AfterValidator(_with_offset)]
    time_zone: Annotated[str, AfterValidator(_zone)]
    day_count: Literal["calendar", "elapsed"]
    inactivity_days: _Days
    activation_days: _Days
    lockout_days: _Days
    reapply_days: _Days
    inactivity_notices: _Notices
    activation_notices: _Notices
    exempt_causes: list[Identifier]
    violations: dict[Identifier, _ViolationRow]


def read_policy(name: str, content: bytes) -> Policy:
    """The policy of one file. Raises BadPolicy."""
    try:
        fields = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPolicy(f"{name}: not a TOML file: {error}") from error
    try:
        file = _PolicyFile.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadPolicy(f"{name}: {field}: {first['msg']}") from error
    return Policy(
        stamp=PolicyStamp(file.id, hashlib.sha256(content).hexdigest()),
        effective_from=instant(file.effective_from),
        zone=ZoneInfo(file.time_zone),
        day_count=file.day_count,
        inactivity_days=file.inactivity_days,
        activation_days=file.activation_days,
        lockout_days=file.lockout_days,
        reapply_days=file.reapply_days,
        inactivity_notices=tuple(file.inactivity_notices),
        activation_notices=tuple(file.activation_notices),
        exempt_causes=frozenset(file.exempt_causes),
        violations={category: _violation(row) for category, row in file.violations.items()},
    )


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
