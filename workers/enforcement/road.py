"""Load, judge, commit: what happens between the beginning and the end of a transaction.

Three entrances: a batch that was read (`take_in`), accounts whose silence is due (`enforce_due`) and the
members of a company whose terminations changed (`spread`). Locks are taken in one order: positions, accounts,
companies, spreads, shards.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from workers.codec.batch import Batch, ReceivedFact, Rejected
from workers.codec.terminations import read_because
from workers.enforcement.companies import Company, apply_cases, load_companies, publish_companies
from workers.enforcement.completion import complete, count_hits
from workers.enforcement.fast_path import sort_out
from workers.enforcement.judging import judge_file, publish_account
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, take_in
from workers.ops.clock import Clock
from workers.rules.calendar import Instant
from workers.rules.decisions import Because
from workers.rules.judge import Judgement
from workers.rules.policy import Policies
from workers.store.postgres import Store, Transaction, UnknownAccounts
from workers.store.records import MINUS_INFINITY, AccountRow, Advance, Changes, RejectsRow, Spread

log = structlog.get_logger()

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""
Count = Callable[[Sequence[Rejected]], Sequence[RejectsRow]]
"""Given the records that were refused by what was read before: what to store of the share of dead letters."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one transaction did, for metrics and for whoever waits."""

    accounts: int = 0
    fast: int = 0
    judged: int = 0
    messages: int = 0
    held: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The messages by kind."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """The dead letters by reason."""


class Misread(Exception):
    """Records that were taken for good are refused by what was read before them: they must move no clock."""

    def __init__(self, refused: frozenset[Place]) -> None:
        super().__init__(f"{len(refused)} records are refused")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The road of one deployment: its store, its policies, and the numbers that do not change."""

    store: Store
    policies: Policies
    clock: Clock
    settle: Instant
    incarnation: UUID
    shards: int

    async def take_in(
        self,
        advances: Sequence[Advance],
        batch: Batch,
        count: Count | None = None,
        refused: frozenset[Place] | None = None,
    ) -> Done:
        """Decide a batch that was read, in one transaction with the positions it moves and what `count` gives.

        Raises LostOwnership where a position is not as the caller believes, and Misread where records are refused
        that are not among `refused`, those that `advances` leave aside (None: any may be); nothing is written then.
        """
        while True:
            try:
                return await self._take_in(advances, batch, count, refused)
            except UnknownAccounts as unknown:
                await self.store.insert_accounts(unknown.account_ids)

    async def _take_in(
        self, advances: Sequence[Advance], batch: Batch, count: Count | None, refused: frozenset[Place] | None
    ) -> Done:
        work = _Work(self, batch.traceparents)
        for rejected in batch.rejected:
            work.outbox.dead_letter(rejected)
        async with self.store.transaction() as transaction:
            await transaction.advance(advances)
            ids = batch.account_ids()
            judged: list[AccountRow] = []
            if ids:
                rows = await transaction.lock_accounts(ids)
                work.changes.moved, work.changes.begun, judged = sort_out(
                    rows, batch.orders, batch.facts, self.policies
                )
            if judged:
                await work.judge(transaction, judged, orders=batch.orders, facts=batch.facts)
            if refused is not None and not work.places_refused() <= refused:
                raise Misread(refused | work.places_refused())
            if count is not None:
                await transaction.save_rejects(count(work.refused))
            await work.commit(transaction)
        return work.done(len(ids), len(ids) - len(judged))

    async def enforce_due(self, limit: int) -> Done:
        """Enforce what silence decides up to the horizon, for at most `limit` accounts."""
        work = _Work(self, {})
        async with self.store.transaction() as transaction:
            horizon = (await transaction.progress()).horizon(self.settle)
            if horizon == MINUS_INFINITY:
                return Done()
            rows = await transaction.claim_due(horizon, limit)
            lazy, due = self._rearmed(rows, horizon)
            if lazy:
                await transaction.rearm(lazy)
            if due:
                await work.judge(transaction, due)
            await work.commit(transaction)
        return work.done(len(rows), len(lazy))

    def _rearmed(
        self, rows: Sequence[AccountRow], horizon: Instant
    ) -> tuple[list[tuple[str, Instant]], list[AccountRow]]:
        """The accounts that were only woken early, with their next instant, and those that must be judged."""
        lazy: list[tuple[str, Instant]] = []
        due: list[AccountRow] = []
        for row in rows:
            last = row.last_effective_at
            policy = None if last is None else self.policies.in_force(last)
            if row.standing != "active" or row.waits or last is None or policy is None:
                due.append(row)
                continue
            following = self.policies.next_start(last)
            wake_at = policy.first_silence(last)
            wake_at = wake_at if following is None else min(wake_at, following)
            if wake_at > horizon:
                lazy.append((row.account_id, wake_at))
            else:
                due.append(row)
        return lazy, due

    async def spread(self, spread: Spread, limit: int) -> Done:
        """Judge the next members of a company; once all are decided publish that its terminations are completed."""
        work = _Work(self, {}, read_because(spread.because))
        async with self.store.transaction() as transaction:
            members = await transaction.next_members(spread.company_key, spread.cursor, limit)
            if members:
                rows = [AccountRow(*row) for row in await transaction.lock_accounts(members)]
                judgements = await work.judge(transaction, rows)
                moved = spread._replace(cursor=members[-1], hits=count_hits(spread, members, judgements))
            else:
                await transaction.progress()  # compares the deployment
                moved = spread
                await complete(transaction, spread, work.changes, work.outbox)
            await work.commit(transaction, None if not members else moved)
        return work.done(len(members), 0)


@dataclass(slots=True)
class _Work:
    """One transaction's work: what changes, and what is to be published."""

    road: Enforcement
    traceparents: Mapping[str, str]
    because: Because = field(default_factory=Because)
    changes: Changes = field(default_factory=Changes)
    outbox: Outbox = field(init=False)
    judged: int = 0
    held: list[str] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)
    """By what was read before them."""

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.road.clock.wall(), self.changes, self.traceparents)

    async def judge(
        self,
        transaction: Transaction,
        rows: Sequence[AccountRow],
        orders: Mapping[str, list[tuple[Instant, str]]] | None = None,
        facts: Mapping[str, list[ReceivedFact]] | None = None,
    ) -> dict[str, Judgement]:
        """Judge locked accounts with what a batch says of them; returns the judgements that were made."""
        stored = await transaction.histories(rows)
        horizon = (await transaction.progress()).horizon(self.road.settle)
        files: list[AccountFile] = []
        for row in rows:
            account_id = row.account_id
            received, effective = (facts or {}).get(account_id, ()), (orders or {}).get(account_id, ())
            file, rejected = take_in(row, stored[account_id], received, effective, self.road.policies)
            files.append(file)
            self.refused += rejected
            for each in rejected:
                self.outbox.dead_letter(each)
        companies = await load_companies(transaction, files)
        self._join_companies(files)
        self._apply_cases(files, companies)
        await publish_companies(transaction, companies.values(), self.changes, self.outbox)
        judgements: dict[str, Judgement] = {}
        for file in files:
            judged = None if file.failed else judge_file(file, companies, self.road.policies, horizon)
            publish_account(file, judged, self.because, self.changes, self.outbox)
            if judged is None:
                self.held.append(file.account_id)
            else:
                judgements[file.account_id] = judged[0]
        self.judged += len(files)
        return judgements

    def places_refused(self) -> frozenset[Place]:
        """Where the records stand that were refused."""
        return frozenset((each.topic, each.record.partition, each.record.offset) for each in self.refused)

    def _join_companies(self, files: Sequence[AccountFile]) -> None:
        for file in files:
            if file.has_new_registry_fact:
                self.changes.memberships += [(key, file.account_id) for key in sorted(file.company_keys)]

    def _apply_cases(self, files: Sequence[AccountFile], companies: Mapping[str, Company]) -> None:
        for file in files:
            if not file.may_change_companies:
                continue
            try:
                apply_cases(file, companies, self.road.policies)
            except Exception:
                log.exception("account held: its cases could not be judged", account_id=file.account_id)
                file.failed = True

    async def commit(self, transaction: Transaction, spread: Spread | None = None) -> None:
        """Write everything; the shards of the log come last."""
        await transaction.write(self.changes)
        if spread is not None:
            await transaction.advance_spread(spread)
        if self.outbox.messages:
            heads = await transaction.take_shards(self.outbox.shards(self.road.shards))
            rows, after = self.outbox.rows(self.road.incarnation, heads, self.road.shards)
            await transaction.append(rows, after)

    def done(self, accounts: int, fast: int) -> Done:
        messages = self.outbox.messages
        kinds = Counter(message.kind for message in messages)
        return Done(accounts, fast, self.judged, len(messages), tuple(self.held), kinds, self.outbox.reasons)
