"""The store's rows as plain values: what a transaction loads and the changes that it writes.

No SQL and no rules. Facts and terminations are text in the format of `workers.codec`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from workers.rules.calendar import Instant
from workers.rules.difference import Published
from workers.rules.facts import EffectiveOrder, OrderSpan

MINUS_INFINITY: Instant = -(2**62)
"""Before every instant: the watermark while no deadline may be enforced."""


class Position(NamedTuple):
    """One row of `positions`: how far a partition was read, under which epoch."""

    topic: str
    partition: int
    next_offset: int
    epoch: int
    watermark: Instant | None
    latest_occurred_at: Instant | None


class DeadLetterWindowRow(NamedTuple):
    """One row of `dead_letter_windows`; `dead` is JSON."""

    topic: str
    partition: int
    counted: int
    dead: str
    accepted_until: int
    paused: str | None


class AccountRow(NamedTuple):
    """One row of `accounts` as `lock_accounts` selects it, and its clock as `lock_clocks` does, if that has begun."""

    account_id: str
    standing: str = "not_enrolled"
    deferred: bool = False
    next_check: Instant | None = None
    judged_until: Instant | None = None
    sequence: int = 0
    standing_digest: bytes | None = None
    quarantined: str | None = None
    """Why its last evaluation failed; None if it succeeded."""
    span_start: Instant | None = None
    last_effective_at: Instant | None = None
    last_order_id: str | None = None
    quiet_until: Instant | None = None
    """Before it, newer orders only move the clock; None where every order needs a judgement. It may be too early."""

    def tables(self) -> tuple[tuple[object, ...], tuple[object, ...] | None]:
        """Its rows in `accounts` and in `account_clocks`."""
        return self[:8], None if self.span_start is None else (self.account_id, *self[8:])


class StoredFact(NamedTuple):
    """A registry, case or request fact as it was read."""

    account_id: str
    topic: str
    id: str
    occurred_at: Instant
    content: str


@dataclass(slots=True)
class StoredHistory:
    """What is stored of one account besides its row."""

    facts: list[StoredFact] = field(default_factory=list)
    spans: list[OrderSpan] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)

    def extend_last_span(self, row: AccountRow) -> None:
        """Set the end of the last span from the account's row, the only place where the fast path updates it."""
        if self.spans and row.last_effective_at is not None and row.last_order_id is not None:
            last = EffectiveOrder(row.last_effective_at, row.last_order_id)
            self.spans[-1] = OrderSpan(self.spans[-1].first, last)


class CompanyRow(NamedTuple):
    """One row of `companies`; `terminations` and `completed` are JSON."""

    company_key: str
    version: int = 0
    sequence: int = 0
    terminations: str = "[]"
    completed: str = "[]"


class Fanout(NamedTuple):
    """The fan-out of a company's terminations to its members; `because` is JSON.

    `version` is the company's version when the fan-out started: in the end each member was judged by it or by a newer
    one.
    """

    company_key: str
    version: int
    cursor: str
    deferred: bool
    """All members were judged, and some are undecided."""
    because: str


class CurrentDecision(NamedTuple):
    """A decision in force."""

    of_company: bool
    subject: str
    decision_id: str
    kind: str
    effective_at: Instant
    sequence: int
    content: bytes


class LogRow(NamedTuple):
    """One row of the decision log, in the order of its columns."""

    shard: int
    seq: int
    hash: bytes
    topic: str
    key: bytes | None
    headers: str
    value: bytes
    decision_id: str | None
    subject: str
    kind: str
    effective_at: Instant | None
    recorded_at: Instant


class ShardHead(NamedTuple):
    """The end of one shard of the log: the next sequence number and the hash of the last row."""

    shard: int
    next_seq: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class ClockMoves:
    """The orders of a batch by account: they move the clocks of the accounts that are quiet beyond them.

    An account is moved where its first order is after `span_start`, its last one after `last_effective_at` and before
    `quiet_until`, and its `last_effective_at` not before `since`.
    """

    rows: Sequence[tuple[str, Instant, Instant, str]] = ()
    """Account id, instants of its first and last order, id of the last; sorted, which is the order of the locks."""
    since: Instant = MINUS_INFINITY
    """The start of the policy of all these orders. An account whose last order is older is judged by it first."""
    quiet_until: Instant | None = None
    """What the moved accounts are quiet until at least."""


@dataclass(slots=True)
class Changes:
    """Everything that one transaction writes except the log, as sets of rows."""

    begun: list[tuple[str, Instant, str, Instant | None]] = field(default_factory=list)
    """The fast path for an account's first order, which starts a span: account id, instant, order id, quiet until."""
    rearmed: list[tuple[str, Instant, Instant | None]] = field(default_factory=list)
    """Accounts whose deadline is later than in their row: account id, next check, quiet until."""
    accounts: list[AccountRow] = field(default_factory=list)
    facts: list[StoredFact] = field(default_factory=list)
    spans_removed: list[tuple[str, Instant]] = field(default_factory=list)
    spans_added: list[tuple[str, OrderSpan]] = field(default_factory=list)
    memberships: list[tuple[str, str]] = field(default_factory=list)
    withdrawn: list[tuple[bool, str, str]] = field(default_factory=list)
    published: list[CurrentDecision] = field(default_factory=list)
    companies: list[CompanyRow] = field(default_factory=list)
    fanouts_moved: list[tuple[Fanout, Fanout]] = field(default_factory=list)
    """Fan-outs as they were claimed and as they continue."""
    fanouts: list[tuple[str, int, str]] = field(default_factory=list)
    """Companies whose members must be judged again: key, version, because."""
    windows: list[DeadLetterWindowRow] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)

    def lengths(self) -> tuple[int, ...]:
        """How many changes there are of each kind."""
        return tuple([len(getattr(self, name)) for name in self.__slots__])

    def cut(self, lengths: Sequence[int]) -> None:
        """Drop the changes beyond these numbers."""
        for name, length in zip(self.__slots__, lengths, strict=True):
            del getattr(self, name)[length:]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the inputs were read, and whether deadlines may be enforced (see `watermark`)."""

    partitions_watermark: Instant | None
    compared_until: Instant | None
    latest_occurred_at: Instant | None
    held: str | None

    @property
    def known_until(self) -> Instant | None:
        """The instant up to which all facts are known to have been read; None if a partition was never read."""
        if self.partitions_watermark is None or self.compared_until is None:
            return None
        return min(self.partitions_watermark, self.compared_until)

    def watermark(self, allowed_lateness: Instant) -> Instant:
        """The watermark for judging: `known_until` less `allowed_lateness`; MINUS_INFINITY under a deadline hold."""
        known = self.known_until
        return MINUS_INFINITY if known is None or self.held is not None else known - allowed_lateness
