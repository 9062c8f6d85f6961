"""The model's policies: one small dataclass, loaded from TOML files or dicts in the format of the contracts.

It trusts the files it is given: refusing bad ones is the engine's task, not the model's.
A policy is in force from its `effective_from` until that of the next one.
"""

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.model.calendar import Instant, instant_of, notice_instant, parse_instant, period_end


@dataclass(frozen=True, slots=True)
class Violation:
    """One row of the violation table."""

    penalty: str
    after: int
    within_days: int | None
    exempt_causes: frozenset[str]
    minimum_order_value: Decimal | None
    minimum_order_currency: str | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The parameters of the rulebook from one instant on."""

    id: str
    digest: str
    effective_from: Instant
    zone: ZoneInfo
    day_count: str
    inactivity_days: int
    activation_days: int
    lockout_days: int
    reapply_days: int
    inactivity_notices: tuple[int, ...]
    activation_notices: tuple[int, ...]
    exempt_causes: frozenset[str]
    violations: dict[str, Violation]

    def period_end(self, start: Instant, days: int) -> Instant:
        """The end of a period of so many days, as this policy counts days."""
        return period_end(start, days, self.zone, self.day_count)

    def notice_instant(self, deadline: Instant, days: int) -> Instant:
        """The instant of a notice, as this policy counts days."""
        return notice_instant(deadline, days, self.zone, self.day_count)


def policy_from_dict(table: dict[str, Any], digest: str = "") -> Policy:
    """A policy from the keys of a policy file; what is left out has the rulebook's default."""
    start = table["effective_from"]
    if isinstance(start, datetime):
        start = instant_of(start)
    elif isinstance(start, str):
        start = parse_instant(start)
    return Policy(
        id=table["id"],
        digest=digest,
        effective_from=start,
        zone=ZoneInfo(table.get("time_zone", "Asia/Shanghai")),
        day_count=table.get("day_count", "calendar"),
        inactivity_days=table.get("inactivity_days", 180),
        activation_days=table.get("activation_days", 15),
        lockout_days=table.get("lockout_days", 30),
        reapply_days=table.get("reapply_days", 90),
        inactivity_notices=tuple(table.get("inactivity_notices", (30, 7, 1))),
        activation_notices=tuple(table.get("activation_notices", (3, 1))),
        exempt_causes=frozenset(table.get("exempt_causes", ("onetouch_unable",))),
        violations={name: violation_from_dict(row) for name, row in table.get("violations", {}).items()},
    )


def violation_from_dict(row: dict[str, Any]) -> Violation:
    """One row of the violation table from its TOML table."""
    minimum = row.get("minimum_order_value")
    return Violation(
        penalty=row["penalty"],
        after=row.get("after", 1),
        within_days=row.get("within_days"),
        exempt_causes=frozenset(row.get("exempt_causes", ())),
        minimum_order_value=Decimal(minimum["value"]) if minimum else None,
        minimum_order_currency=minimum["currency"] if minimum else None,
    )


def load_policy(path: Path) -> Policy:
    """A policy from a TOML file; its digest is the SHA-256 of the file."""
    content = path.read_bytes()
    return policy_from_dict(tomllib.loads(content.decode()), hashlib.sha256(content).hexdigest())


def load_policies(directory: Path) -> tuple[Policy, ...]:
    """Every policy of a directory, the earliest first."""
    return in_order(load_policy(path) for path in directory.glob("*.toml"))


def in_order(policies: Iterable[Policy]) -> tuple[Policy, ...]:
    """The policies, the earliest first."""
    return tuple(sorted(policies, key=lambda policy: policy.effective_from))


def policy_at(policies: tuple[Policy, ...], instant: Instant) -> Policy | None:
    """The policy in force at the instant, none before the first."""
    in_force = None
    for policy in policies:
        if policy.effective_from <= instant:
            in_force = policy
    return in_force
