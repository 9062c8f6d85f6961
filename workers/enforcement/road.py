"""Load, evaluate, commit: what happens between the beginning and the end of a transaction.

Entrances: a batch that was read (`take_in`), accounts whose silence is due (`enforce_due`), the members of a company
whose terminations changed (`spread`), and quarantined accounts (`retry`). Locks are taken in one order: positions,
accounts, companies, spreads, shards. An account that fails is quarantined, and the others go on.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from workers.codec.batch import Batch, ReceivedFact, Rejected
from workers.codec.terminations import read_because, read_terminations
from workers.enforcement.companies import load_companies
from workers.enforcement.completion import end_of_the_way
from workers.enforcement.evaluate import Evaluation, take_in_apart
from workers.enforcement.fast_path import sort_out
from workers.enforcement.isolation import NOT_THE_ACCOUNTS, Done, Misread, Place, Rehearsed, Work
from workers.enforcement.publishing import Outbox
from workers.enforcement.taking_in import AccountFile, why_not
from workers.ops.clock import Clock
from workers.rules.calendar import Instant
from workers.rules.decisions import Because
from workers.rules.policy import Policies
from workers.store.postgres import Store, Transaction
from workers.store.records import MINUS_INFINITY, AccountRow, Advance, Changes, RejectsRow, Spread

__all__ = ["Done", "Enforcement", "Misread", "Place"]

log = structlog.get_logger()

Count = Callable[[Sequence[Rejected]], Sequence[RejectsRow]]
"""Given the records that were refused by what was read before them: what to store of the share of dead letters."""

MOST_TERMINATIONS = 20_000
"""Members of a company times its terminations in one transaction of a spread: each member is decided about each."""


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

        async def once(work: Work, quarantined: Mapping[str, str], only: Sequence[str] | None) -> Done:
            work.account_ids = all_ids
            ids = all_ids if only is None else only
            writes = _Writes(self, batch.traceparents, quarantined)
            for rejected in batch.rejected:
                writes.outbox.dead_letter(rejected)
            async with self.store.transaction() as transaction:
                await transaction.advance(advances)
                judged = await writes.sort_out(transaction, ids, batch) if ids else []
                if judged:
                    await writes.evaluate(transaction, judged, orders=batch.orders, facts=batch.facts)
                if only is None:
                    if refused is not None and not writes.places_refused() <= refused:
                        raise Misread(refused | writes.places_refused())
                    if count is not None:
                        await transaction.save_rejects(count(writes.refused))
                await writes.commit(transaction, only)
            return writes.done(len(ids), len(ids) - len(judged))

        all_ids = batch.account_ids()
        return await Work(self.store, once).isolated()

    async def enforce_due(self, limit: int) -> Done:
        """Enforce what silence decides up to the horizon, for at most `limit` accounts."""

        async def once(work: Work, quarantined: Mapping[str, str], only: Sequence[str] | None) -> Done:
            writes = _Writes(self, {}, quarantined)
            async with self.store.transaction() as transaction:
                horizon = (await transaction.progress()).horizon(self.settle)
                if horizon == MINUS_INFINITY:
                    if only is not None:
                        raise Rehearsed
                    return Done()
                if only is None:
                    rows = await transaction.claim_due(horizon, limit)
                    work.account_ids = sorted(row.account_id for row in rows)
                else:
                    rows = await _lock(transaction, only)
                lazy, due = self._rearmed(rows, horizon, quarantined)
                if lazy:
                    await transaction.rearm(lazy)
                if due:
                    await writes.evaluate(transaction, due)
                await writes.commit(transaction, only)
            return writes.done(len(rows), len(lazy))

        return await Work(self.store, once).isolated()

    def _rearmed(
        self, rows: Sequence[AccountRow], horizon: Instant, quarantined: Collection[str] = ()
    ) -> tuple[list[tuple[str, Instant]], list[AccountRow]]:
        """The accounts that were only woken early, with their next instant, and those that must be judged."""
        lazy: list[tuple[str, Instant]] = []
        due: list[AccountRow] = []
        for row in rows:
            wake_at = None if row.account_id in quarantined else _wakes(row, self.policies)
            if wake_at is not None and wake_at > horizon:
                lazy.append((row.account_id, wake_at))
            else:
                due.append(row)
        return lazy, due

    async def spread(self, spread: Spread, limit: int) -> Done:
        """Judge the next members of a company; once all are decided publish that its terminations are completed.

        What fails of the company itself, and of no member, quarantines the spread.
        """
        if spread.waits:  # all members were reached, and none is undecided any more
            return await self._end(spread)

        async def once(work: Work, quarantined: Mapping[str, str], only: Sequence[str] | None) -> Done:
            writes = _Writes(self, {}, quarantined, because)
            async with self.store.transaction() as transaction:
                await transaction.progress()  # compares the deployment
                members = only
                if members is None:
                    work.account_ids = members = await transaction.next_members(
                        spread.company_key, spread.cursor, most
                    )
                if members:
                    await writes.evaluate(transaction, await _lock(transaction, members))
                    if only is None:
                        await transaction.move_spread(spread, spread._replace(cursor=members[-1]))
                await writes.commit(transaction, only)
            return writes.done(len(members), 0)

        try:
            because = read_because(spread.because)
            async with self.store.transaction() as transaction:
                found = await transaction.companies([spread.company_key], "none")
            terminations = [read_terminations(row.terminations) for row in found.values()]
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return await self._quarantine(spread, error)
        most = max(1, min(limit, MOST_TERMINATIONS // max(1, sum(map(len, terminations)))))
        done = await Work(self.store, once).isolated()
        return done if done.accounts else await self._end(spread)

    async def _end(self, spread: Spread) -> Done:
        writes = _Writes(self, {}, {})
        try:
            async with self.store.transaction() as transaction:
                await transaction.progress()
                await end_of_the_way(transaction, spread, writes.outbox)
                await writes.commit(transaction)
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return await self._quarantine(spread, error)
        return writes.done(0, 0)

    async def _quarantine(self, spread: Spread, error: Exception) -> Done:
        log.error("spread quarantined", company=spread.company_key, exc_info=error)
        await self.store.quarantine_spread(spread, why_not(error))
        return Done()

    async def retry(self, account_ids: Sequence[str]) -> Done:
        """Evaluate accounts again that were quarantined; those that are not are left alone."""
        return await self._again(account_ids, lambda row: row.quarantined is not None)

    async def judge_again(self, account_ids: Sequence[str]) -> Done:
        """Evaluate accounts again, each up to the watermark, or to where it was judged."""
        return await self._again(account_ids, lambda _: True)

    async def _again(self, account_ids: Sequence[str], chosen: Callable[[AccountRow], bool]) -> Done:
        async def once(work: Work, quarantined: Mapping[str, str], only: Sequence[str] | None) -> Done:
            work.account_ids = sorted(set(account_ids))
            writes = _Writes(self, {}, quarantined)
            async with self.store.transaction() as transaction:
                locked = await _lock(transaction, work.account_ids if only is None else only)
                rows = [row for row in locked if chosen(row)]
                if rows:
                    await writes.evaluate(transaction, rows)
                await writes.commit(transaction, only)
            return writes.done(len(rows), 0)

        return await Work(self.store, once).isolated()


def _wakes(row: AccountRow, policies: Policies) -> Instant | None:
    """When the silence after an active account's last order would decide something; None where that is not known."""
    last = row.last_effective_at
    if row.standing != "active" or row.waits or last is None:
        return None
    try:
        policy = policies.in_force(last)
        if policy is None:
            return None
        wake_at, following = policy.first_silence(last), policies.next_start(last)
    except Exception:
        log.exception("account is judged: when it is due cannot be computed", account_id=row.account_id)
        return None
    return wake_at if following is None else min(wake_at, following)


async def _lock(transaction: Transaction, account_ids: Sequence[str]) -> list[AccountRow]:
    return [AccountRow(*row) for row in await transaction.lock_accounts(account_ids)] if account_ids else []


@dataclass(slots=True)
class _Writes:
    """What one transaction changes, and what is to be published."""

    road: Enforcement
    traceparents: Mapping[str, str]
    quarantined: Mapping[str, str]
    """Accounts that are not to be evaluated, and why."""
    because: Because = field(default_factory=Because)
    outbox: Outbox = field(init=False)
    judged: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    refused: list[Rejected] = field(default_factory=list)
    """By what was read before them."""

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.road.clock.wall(), Changes(), self.traceparents)

    async def sort_out(self, transaction: Transaction, account_ids: Sequence[str], batch: Batch) -> list[AccountRow]:
        """Lock accounts, decide those whose orders only move the clock, and return those that must be judged."""
        rows = await transaction.lock_accounts(account_ids)
        apart = [AccountRow(*row) for row in rows if row[0] in self.quarantined] if self.quarantined else []
        if apart:
            rows = [row for row in rows if row[0] not in self.quarantined]
        changes = self.outbox.changes
        changes.moved, changes.begun, judged = sort_out(rows, batch.orders, batch.facts, self.road.policies)
        return judged + apart

    async def evaluate(
        self,
        transaction: Transaction,
        rows: Sequence[AccountRow],
        orders: Mapping[str, list[tuple[Instant, str]]] | None = None,
        facts: Mapping[str, list[ReceivedFact]] | None = None,
    ) -> None:
        """Evaluate locked accounts with what a batch says of them."""
        stored = await transaction.histories(rows)
        horizon = (await transaction.progress()).horizon(self.road.settle)
        policies = self.road.policies
        files: list[AccountFile] = []
        for row in rows:
            name = row.account_id
            received, effective = (facts or {}).get(name, ()), (orders or {}).get(name, ())
            why = self.quarantined.get(name)
            file, rejected = take_in_apart(row, stored[name], received, effective, policies, why)
            files.append(file)
            self.refused += rejected
            for each in rejected:
                self.outbox.dead_letter(each)
            if file.has_new_registry_fact:
                self.outbox.changes.memberships += [(key, name) for key in sorted(file.company_keys)]
        companies, terminations = await load_companies(transaction, files)
        evaluation = Evaluation(files, companies, terminations, policies, horizon, self.because)
        changed = evaluation.changed_companies()
        published = await transaction.published_of_companies(changed) if changed else {}
        causes = await transaction.spread_causes(changed) if changed else {}
        evaluation.evaluate(published, causes, self.outbox)
        self.failed = {file.account_id: file.failed for file in files if file.failed is not None}
        self.judged += len(files)

    def places_refused(self) -> frozenset[Place]:
        """Where the records stand that were refused."""
        return frozenset((each.topic, each.record.partition, each.record.offset) for each in self.refused)

    async def commit(self, transaction: Transaction, only: Sequence[str] | None = None) -> None:
        """Write everything; the shards of the log come last. Raises Rehearsed where it is but a rehearsal."""
        await transaction.write(self.outbox.changes)
        if self.outbox.messages:
            heads = await transaction.take_shards(self.outbox.shards(self.road.shards))
            rows, after = self.outbox.rows(self.road.incarnation, heads, self.road.shards)
            await transaction.append(rows, after)
        if only is not None:
            raise Rehearsed

    def done(self, accounts: int, fast: int) -> Done:
        messages = self.outbox.messages
        kinds = Counter(message.kind for message in messages)
        return Done(accounts, fast, self.judged, len(messages), self.failed, kinds, self.outbox.reasons)
