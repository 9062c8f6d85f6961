"""`standing explain`: why an account stands as it does, in the rulebook's words. Reads only.

It judges the account's stored facts again and shows the result; the published decisions come from the log. With an
instant, it shows nothing after it.
"""

import json
from dataclasses import dataclass
from typing import Any

from contracts.kinds import KINDS
from workers.codec.terminations import read_terminations
from workers.enforcement.account_context import read_context, unread_context, why_not
from workers.ops.refused import Refused
from workers.rules.calendar import Instant, written
from workers.rules.decisions import Decision
from workers.rules.facts import History
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY
from workers.store.statements import statement
from workers.wiring import Database


class NotFound(Refused):
    """No fact of that account, or no company of that key, was ever read."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `standing explain` shows."""

    account_id: str
    judgement: Judgement
    history: History
    log: list[dict[str, Any]]
    """What was published about the account, oldest first, withdrawals included."""
    quarantined: str | None
    """Why its last evaluation failed."""
    unreadable: str | None
    """Why it cannot be judged now; then its standing is the last that was published."""
    at: Instant | None
    judged_until: Instant | None
    """Up to where deadlines are judged here; None where none is."""

    @property
    def facts(self) -> list[tuple[Instant, str]]:
        """The facts up to the instant that was asked for, in the order of time, a few words each."""
        return facts_in_words(self.history, self.at)

    @property
    def deadline(self) -> Instant | None:
        """The standing's deadline, where it is known exactly."""
        return None if self.deadline_not_before is not None else self._deadline

    @property
    def deadline_not_before(self) -> Instant | None:
        """The earliest that the deadline of an active account can have been, where its last order is not known.

        Of orders that follow one another closely only the first and the last are kept.
        """
        unknown = self.at is not None and any(span.first.at < self.at < span.last.at for span in self.history.orders)
        if not unknown or self._deadline is None or self.judgement.status != "active":
            return None
        return max(self._deadline, self.at or 0)

    @property
    def judged_short(self) -> bool:
        """Whether deadlines were not judged up to the instant that was asked for."""
        return self.at is not None and (self.judged_until is None or self.judged_until < self.at)

    @property
    def _deadline(self) -> Instant | None:
        return None if self.judgement.standing is None else self.judgement.standing.deadline

    def as_json(self) -> str:
        standing = self.judgement.standing
        return json.dumps(
            {
                "account_id": self.account_id,
                "at": _written(self.at),
                "standing": self.judgement.status,
                "since": None if standing is None else written(standing.since),
                "company": None if standing is None or standing.company is None else _company(standing.company),
                "deadline": _written(self.deadline),
                "deadline_not_before": _written(self.deadline_not_before),
                "next": None if standing is None else standing.next,
                "reason": None if standing is None else KINDS[standing.set_by].reason,
                "cure": None if standing is None else standing.cure,
                "judged_until": _written(self.judged_until),
                "deferred": self.judgement.deferred,
                "quarantined": self.quarantined,
                "unreadable": self.unreadable,
                "facts": [{"occurred_at": written(at), "fact": text} for at, text in self.facts],
                "decisions": [_decision(each) for each in self.judgement.decisions],
                "published": self.log,
            },
            ensure_ascii=False,
            indent=2,
        )


def _written(at: Instant | None) -> str | None:
    return None if at is None else written(at)


def _company(company: Any) -> dict[str, str]:
    return {"key": company.key, "name": company.name}


def _decision(decision: Decision) -> dict[str, object]:
    return {
        "decision_id": str(decision.id),
        "kind": decision.kind,
        "clause": decision.clause,
        "effective_at": written(decision.effective_at),
        "standing_before": decision.standing_before,
        "standing_after": decision.standing_after,
        "policy": decision.policy.id,
        **decision.details,
        **{name: written(at) for name, at in decision.instants.items()},
    }


async def explain(database: Database, policies: Policies, account_id: str, at: Instant | None) -> Explanation:
    """Explain an account as it stands now, or as it stood at an instant by the facts known today.

    What happened at exactly that instant is part of it; messages are those about instants up to it.
    """
    async with database.store.transaction() as transaction:
        watermark = (await transaction.progress()).watermark(database.settings.allowed_lateness)
        row = await database.store.account(account_id)
        if row is None:
            raise NotFound(f"no fact of account '{account_id}' was ever read")
        stored = (await transaction.histories([row]))[account_id]
        try:
            context, _ = read_context(row, stored, (), (), policies)
        except Exception as error:  # shown instead of a judgement
            context, _ = unread_context(row, stored, (), (), policies, why_not(error, "its facts cannot be read: "))
        companies = await transaction.companies(context.company_keys, "none")
    log = [json.loads(each[0]) for each in await database.pool.fetch(statement("log_of_subject"), account_id, at)]
    until = max(watermark, row.judged_until or MINUS_INFINITY)
    if at is not None:
        until = min(until, at)
    unreadable, judgement = context.failed, Judgement((), row.standing, None, row.next_check, row.deferred)
    if unreadable is None:
        try:
            terminations = {key: read_terminations(company.terminations) for key, company in companies.items()}
            judgement = judge(account_id, context.history, terminations, policies, until, at)
        except Exception as error:  # shown instead of a judgement
            unreadable = why_not(error)
    judged_until = None if until == MINUS_INFINITY else until
    return Explanation(account_id, judgement, context.history, log, row.quarantined, unreadable, at, judged_until)


def facts_in_words(history: History, until: Instant | None = None) -> list[tuple[Instant, str]]:
    """The facts of a history up to an instant in the order of time, a few words each."""
    found: list[tuple[Instant, str]] = []
    for registry in history.registry:
        company = "" if registry.company is None else f" under {registry.company.name} ({registry.company.key})"
        found.append((registry.at, f"{registry.status}{company}, event {registry.event_id}"))
    for case in history.cases:
        cause = "" if case.cause is None else f", cause {case.cause}"
        found.append((case.at, f"case {case.case_id} {case.outcome}: {case.category} ({case.source}){cause}"))
    for request in history.requests:
        found.append((request.at, f"request {request.request_id}: {request.kind}"))
    for span in history.orders:
        cut = until is not None and span.first.at < until < span.last.at
        more = "; later ones may precede this instant: only the first and the last order of a span are stored"
        found.append((span.first.at, f"effective order {span.first.order_id}{more if cut else ''}"))
        if span.last != span.first:
            found.append((span.last.at, f"effective order {span.last.order_id}, the last of its span"))
    return sorted(each for each in found if until is None or each[0] <= until)
