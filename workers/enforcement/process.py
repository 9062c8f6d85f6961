"""The entry points: a batch that was read, due deadlines, a company's members; and accounts that are judged again.

Each is a unit of work: load and lock, evaluate, write. An account that fails is quarantined, and the others go on.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from workers.codec.batch import Batch, Rejected
from workers.codec.terminations import read_because, read_terminations
from workers.enforcement.account_context import AccountContext, open_context, why_not
from workers.enforcement.companies import CompanyContext, lock_needed, read_companies
from workers.enforcement.completion import end_of_the_way
from workers.enforcement.evaluate import Basis, evaluate
from workers.enforcement.fast_path import clock_moves, later_check, sort_out
from workers.enforcement.isolation import NOT_THE_ACCOUNTS, Attempt, isolated
from workers.enforcement.outbox import Outbox
from workers.enforcement.position_moves import Move, PendingMove
from workers.enforcement.unit_of_work import Transactions, UnitOfWork
from workers.ops.clock import Clock
from workers.ops.logs import Log
from workers.rules.calendar import Instant
from workers.rules.decisions import Because
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow, Changes, Fanout, Position

log = Log()

MOST_TERMINATIONS = 20_000
"""Members of a company times its terminations in one unit of work: each member is decided about each."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one unit of work did, for metrics and for the caller."""

    accounts: int = 0
    fast: int = 0
    """Accounts decided from their rows alone."""
    judged: int = 0
    messages: int = 0
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """The accounts that could not be evaluated, and why."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The messages by kind."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """The dead letters by reason."""
    moves: Sequence[Move] = ()
    """How the positions moved."""


@dataclass(frozen=True, slots=True)
class Locked:
    """The accounts that a unit of work locked: how many, those to be judged, and what was decided without that."""

    accounts: int = 0
    judged: Sequence[AccountRow] = ()
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class Work:
    """What a unit of work is about."""

    lock_accounts: Callable[[UnitOfWork, Attempt], Awaitable[Locked]]
    batch: Batch = field(default_factory=Batch)
    partitions: Sequence[PendingMove] = ()
    because: Because = field(default_factory=Because)
    """What it follows from, for accounts of which the batch holds no new fact."""


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The engine of one deployment: its database, its policies, and the numbers that do not change."""

    database: Transactions
    policies: Policies
    clock: Clock
    allowed_lateness: Instant
    incarnation: UUID
    shards: int

    # -- the entry points ----------------------------------------------------------------------------------

    async def process_batch(self, batch: Batch, partitions: Sequence[PendingMove]) -> Done:
        """Decide a batch that was read; the positions of its partitions move with it.

        Raises LostOwnership where a position is not as the caller knows it; nothing is written then.
        """

        async def lock_accounts(unit: UnitOfWork, attempt: Attempt) -> Locked:
            chosen = attempt.chosen(account_ids)
            apart = batch.facts.keys() | attempt.quarantined.keys() if attempt.quarantined else batch.facts
            if attempt.in_order:
                await unit.lock_accounts(chosen)
            moved = await unit.move_clocks(clock_moves(chosen, batch.orders, apart, self.policies))
            left = [each for each in chosen if each not in moved]
            rows = await unit.lock_accounts(left, wait=not moved) if left else []
            return Locked(len(chosen), *sort_out(rows, batch.orders, apart, self.policies))

        account_ids = batch.account_ids()
        return await self._process(Work(lock_accounts, batch, partitions))

    async def process_due(self, limit: int) -> Done:
        """Enforce the deadlines up to the watermark, of at most `limit` accounts that nobody else holds."""

        async def lock_accounts(unit: UnitOfWork, attempt: Attempt) -> Locked:
            watermark = (await unit.progress()).watermark(self.allowed_lateness)
            if watermark == MINUS_INFINITY:
                return Locked()
            if attempt.only is None:
                rows = await unit.claim_due(watermark, limit)
                attempt.chosen(sorted(row.account_id for row in rows))
            else:
                rows = await unit.lock_accounts(attempt.only)
            changes, judged = Changes(), []
            for row in rows:
                later = None if row.account_id in attempt.quarantined else later_check(row, watermark, self.policies)
                if later is None:
                    judged.append(row)
                else:
                    changes.rearmed.append((row.account_id, *later))
            return Locked(len(rows), judged, changes)

        return await self._process(Work(lock_accounts))

    async def process_fanout(self, fanout: Fanout, limit: int) -> Done:
        """Judge the next members of a company; once all are decided publish that its terminations are completed.

        What fails of the company itself, and of no member, quarantines the fan-out.
        """
        if fanout.deferred:  # all members were reached, and none is undecided any more
            return await self._complete(fanout)
        try:
            because = read_because(fanout.because)
            async with self.database.transaction() as unit:
                found = await unit.companies([fanout.company_key], "none")
            terminations = sum(len(read_terminations(row.terminations)) for row in found.values())
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return await self._quarantine(fanout, error)
        most = max(1, min(limit, MOST_TERMINATIONS // max(1, terminations)))

        async def lock_accounts(unit: UnitOfWork, attempt: Attempt) -> Locked:
            members = attempt.only
            if members is None:
                members = attempt.chosen(await unit.next_members(fanout.company_key, fanout.cursor, most))
            if not members:
                return Locked()
            changes = Changes(fanouts_moved=[(fanout, fanout._replace(cursor=members[-1]))])
            return Locked(len(members), await unit.lock_accounts(members), changes)

        done = await self._process(Work(lock_accounts, because=because))
        return done if done.accounts else await self._complete(fanout)

    async def retry(self, account_ids: Sequence[str]) -> Done:
        """Evaluate accounts again that were quarantined; those that are not are left alone."""
        return await self._again(account_ids, lambda row: row.quarantined is not None)

    async def judge_again(self, account_ids: Sequence[str]) -> Done:
        """Evaluate accounts again, each up to the watermark, or to where it was judged."""
        return await self._again(account_ids, lambda _: True)

    async def _again(self, account_ids: Sequence[str], chosen: Callable[[AccountRow], bool]) -> Done:
        async def lock_accounts(unit: UnitOfWork, attempt: Attempt) -> Locked:
            rows = await unit.lock_accounts(attempt.chosen(sorted(set(account_ids))))
            judged = [row for row in rows if chosen(row)]
            return Locked(len(judged), judged)

        return await self._process(Work(lock_accounts))

    # -- the unit of work ----------------------------------------------------------------------------------

    async def _process(self, work: Work) -> Done:
        async def once(attempt: Attempt) -> Done:
            async with self.database.transaction(rehearsal=attempt.only is not None) as unit:
                return await self._transact(unit, work, attempt)

        return await isolated(self.database, once)

    async def _transact(self, unit: UnitOfWork, work: Work, attempt: Attempt) -> Done:
        """Load and lock, evaluate, write. The locks are taken in the order of these calls."""
        if work.partitions:
            await unit.lock_positions([each.before for each in work.partitions])
        locked = await work.lock_accounts(unit, attempt)
        outbox = Outbox(self.clock.wall(), locked.changes, work.batch.traceparents)
        outbox.dead_letters(work.batch.rejected)
        contexts, refused = await self._open(unit, locked.judged, work.batch, attempt.quarantined)
        outbox.dead_letters(refused)
        moves = [each.given(_of(refused, each.before)) for each in work.partitions]
        outbox.changes.positions = [each.after for each in moves]
        outbox.changes.windows = [each.window for each in moves if each.window is not None]
        if contexts:
            watermark = (await unit.progress(outbox.changes.positions)).watermark(self.allowed_lateness)
            companies = await _lock_companies(unit, contexts)
            evaluate(contexts, Basis(self.policies, watermark, companies, work.because), outbox)
        await self._write(unit, outbox)
        failed = {each.account_id: each.failed for each in contexts if each.failed is not None}
        return _done(outbox, locked.accounts, len(contexts), failed, moves)

    async def _write(self, unit: UnitOfWork, outbox: Outbox) -> None:
        """Write all changes, with the fan-outs that they lock; the shards of the log come last."""
        await unit.write(outbox.changes)
        if outbox.messages:
            heads = await unit.lock_shards(outbox.shards(self.shards))
            await unit.append(*outbox.rows(self.incarnation, heads, self.shards))

    async def _open(
        self, unit: UnitOfWork, rows: Sequence[AccountRow], batch: Batch, quarantined: Mapping[str, str]
    ) -> tuple[list[AccountContext], list[Rejected]]:
        """The contexts of locked accounts with what a batch says of them, and the records that must be refused."""
        contexts: list[AccountContext] = []
        refused: list[Rejected] = []
        if rows:
            stored = await unit.histories(rows)
            for row in rows:
                name = row.account_id
                facts, orders = batch.facts.get(name, ()), batch.orders.get(name, ())
                context, late = open_context(row, stored[name], facts, orders, self.policies, quarantined.get(name))
                contexts.append(context)
                refused += late
        return contexts, refused

    # -- the end of a fan-out ------------------------------------------------------------------------------

    async def _complete(self, fanout: Fanout) -> Done:
        outbox = Outbox(self.clock.wall(), Changes(), {})
        try:
            async with self.database.transaction() as unit:
                await unit.progress()  # compares the deployment
                await end_of_the_way(unit, fanout, outbox)
                await self._write(unit, outbox)
        except NOT_THE_ACCOUNTS:
            raise
        except Exception as error:
            return await self._quarantine(fanout, error)
        return _done(outbox)

    async def _quarantine(self, fanout: Fanout, error: Exception) -> Done:
        log.error("fan-out quarantined", company=fanout.company_key, exc_info=error)
        await self.database.quarantine_fanout(fanout, why_not(error))
        return Done()


async def _lock_companies(unit: UnitOfWork, contexts: Sequence[AccountContext]) -> dict[str, CompanyContext]:
    """The companies that the accounts belong or belonged to, locked as their new facts require."""
    keys = sorted({key for context in contexts for key in context.company_keys})
    rows = await unit.companies(keys, lock_needed(contexts))
    changing = sorted({key for each in contexts if each.may_change_companies for key in each.company_keys})
    published = await unit.published_of_companies(changing) if changing else {}
    causes = await unit.fanout_causes(changing) if changing else {}
    return read_companies(contexts, rows, published, causes)


def _done(
    outbox: Outbox,
    accounts: int = 0,
    judged: int = 0,
    failed: Mapping[str, str] | None = None,
    moves: Sequence[Move] = (),
) -> Done:
    kinds = Counter(message.kind for message in outbox.messages)
    messages = len(outbox.messages)
    return Done(accounts, accounts - judged, judged, messages, failed or {}, kinds, outbox.reasons, moves)


def _of(refused: Sequence[Rejected], position: Position) -> list[Rejected]:
    """Those of one partition."""
    return [each for each in refused if (each.topic, each.record.partition) == position[:2]] if refused else []
