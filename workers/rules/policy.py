"""The parameters of the rules: a `Policy` for each policy file, and the `Policies` that follow one another in time.

A policy gives the periods, the notices and the penalty of each category. `workers.codec.policies` reads the files.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from workers.rules.calendar import DAY, Instant, local_ordinal, midnight, period_end
from workers.rules.facts import CaseFact


@dataclass(frozen=True, slots=True)
class PolicyStamp:
    """The policy that judged, as a decision names it: its id and the SHA-256 of its file."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One category of the violation table (T1, X2)."""

    penalty: str  # none, warn, terminate
    after: int = 1
    within_days: int | None = None
    exempt_causes: frozenset[str] = frozenset()
    minimum_order_value: Decimal | None = None
    minimum_order_currency: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file. Every number of days is at least 1."""

    stamp: PolicyStamp
    effective_from: Instant
    zone: ZoneInfo
    day_count: str  # calendar, elapsed
    inactivity_days: int
    activation_days: int
    lockout_days: int
    reapply_days: int
    inactivity_notices: tuple[int, ...]
    activation_notices: tuple[int, ...]
    exempt_causes: frozenset[str]
    violations: Mapping[str, Violation]

    def period_end(self, start: Instant, days: int) -> Instant:
        """The end of a period of `days` that starts at `start`."""
        return period_end(start, days, self.zone, self.day_count)

    def inactivity(self, start: Instant) -> tuple[Instant, list[tuple[Instant, int]]]:
        """The end of an inactivity period (S1) and its notices as (instant, days left), in order (S6)."""
        return self._period(start, self.inactivity_days, self.inactivity_notices)

    def activation(self, start: Instant) -> tuple[Instant, list[tuple[Instant, int]]]:
        """The end of a temporary activation (S5) and its notices as (instant, days left), in order (S6)."""
        return self._period(start, self.activation_days, self.activation_notices)

    def _period(
        self, start: Instant, days: int, notices: tuple[int, ...]
    ) -> tuple[Instant, list[tuple[Instant, int]]]:
        if self.day_count == "elapsed":
            deadline, found = _elapsed_period(start, days, notices)
        else:
            deadline, found = _calendar_period(local_ordinal(start, self.zone), days, notices, self.zone)
        return deadline, [notice for notice in found if start < notice[0] < deadline]  # S6

    def first_deadline(self, last_effective_at: Instant) -> Instant:
        """The first notice or deadline of the inactivity period that an effective order starts (S1, S6)."""
        deadline, notices = self.inactivity(last_effective_at)
        return notices[0][0] if notices else deadline

    def exempts(self, case: CaseFact) -> bool:
        """Whether an upheld case is exempt: not the seller's (X1), or no refusal of Trade Assurance (X2)."""
        if case.cause is not None and case.cause in self.exempt_causes:
            return True  # X1
        violation = self.violations.get(case.category)
        if violation is None:
            return False
        if case.cause is not None and case.cause in violation.exempt_causes:
            return True  # X2
        return (
            violation.minimum_order_value is not None
            and case.order_value is not None
            and case.order_currency == violation.minimum_order_currency
            and case.order_value < violation.minimum_order_value
        )  # X2: strictly below


Notices = tuple[tuple[Instant, int], ...]


def _elapsed_period(start: Instant, days: int, notices: tuple[int, ...]) -> tuple[Instant, Notices]:
    deadline = start + days * DAY
    return deadline, _in_order((deadline - before * DAY, before) for before in notices)


@lru_cache(maxsize=100_000)
def _calendar_period(first_day: int, days: int, notices: tuple[int, ...], zone: ZoneInfo) -> tuple[Instant, Notices]:
    """The deadline and notices of a period that starts on that day. Cached, for days repeat."""
    deadline = midnight(first_day + days + 1, zone)
    last = local_ordinal(deadline, zone)
    return deadline, _in_order((midnight(last - before, zone), before) for before in notices)


def _in_order(notices: Iterable[tuple[Instant, int]]) -> Notices:
    return tuple(sorted(notices, key=lambda notice: (notice[0], -notice[1])))


class Policies:
    """One or more policies in the order in which they take effect."""

    __slots__ = ("_starts", "all")

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.all = tuple(sorted(policies, key=lambda policy: policy.effective_from))
        self._starts = [policy.effective_from for policy in self.all]

    @property
    def first_start(self) -> Instant:
        """`effective_from` of the first policy. Nothing is decided about an earlier instant."""
        return self._starts[0]

    def in_force(self, at: Instant) -> Policy | None:
        """The policy in force at `at`; None before the first policy."""
        index = bisect_right(self._starts, at)
        return self.all[index - 1] if index else None

    def judging(self, at: Instant) -> Policy:
        """The policy in force at `at`, which must not be earlier than `first_start`."""
        policy = self.in_force(at)
        assert policy is not None, f"nothing may be decided at {at}, before the first policy"
        return policy

    def next_start(self, after: Instant) -> Instant | None:
        """The first instant after `after` at which a policy takes effect."""
        index = bisect_right(self._starts, after)
        return self._starts[index] if index < len(self._starts) else None

    def first_deadline_after(self, last_effective_at: Instant) -> Instant | None:
        """The first notice or deadline after an effective order; None before the first policy."""
        policy = self.in_force(last_effective_at)
        return None if policy is None else policy.first_deadline(last_effective_at)

    def between(self, start: Instant, end: Instant) -> tuple[Policy, ...]:
        """Every policy in force at some instant from `start` to `end`, both included."""
        return self.all[max(bisect_right(self._starts, start) - 1, 0) : bisect_right(self._starts, end)]

    def knows_category(self, category: str) -> bool:
        """Whether the violation table of any policy has `category`."""
        return any(category in policy.violations for policy in self.all)
