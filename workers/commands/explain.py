"""`standing explain` and `standing company`: why an account stands as it does, in the rulebook's words.

An account is explained by judging its stored facts again, so what is shown is what the rules say of them; the
decisions published beside it come from the log. Reads only.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from workers.codec.terminations import read_terminations
from workers.enforcement.taking_in import AccountFile, take_in
from workers.ops.refused import Refused
from workers.rules.calendar import Instant, written
from workers.rules.company import Termination
from workers.rules.decisions import Decision
from workers.rules.facts import History
from workers.rules.judge import Judgement, judge
from workers.store.keys import stored_key
from workers.store.postgres import statement
from workers.store.records import MINUS_INFINITY, AccountRow
from workers.wiring import Parts


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
    held: bool
    at: Instant | None

    def as_json(self) -> str:
        standing = self.judgement.standing
        return json.dumps(
            {
                "account_id": self.account_id,
                "at": None if self.at is None else written(self.at),
                "standing": self.judgement.status,
                "since": None if standing is None else written(standing.since),
                "company": None if standing is None or standing.company is None else _company(standing.company),
                "deadline": None if standing is None or standing.deadline is None else written(standing.deadline),
                "next": None if standing is None else standing.next,
                "reason": None if standing is None else standing.reason,
                "cure": None if standing is None else standing.cure,
                "waits": self.judgement.waits,
                "held": self.held,
                "facts": [{"occurred_at": written(at), "fact": text} for at, text in facts_in_words(self.history)],
                "decisions": [_decision(each) for each in self.judgement.decisions],
                "published": self.log,
            },
            ensure_ascii=False,
            indent=2,
        )


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


async def explain(made: Parts, account_id: str, at: Instant | None) -> Explanation:
    """Explain an account as it stands now, or as it stood at an instant by the facts known today."""
    async with made.store.transaction() as transaction:
        horizon = (await transaction.progress()).horizon(made.settings.settle)
        row = await made.store.account(account_id)
        if row is None:
            raise NotFound(f"no fact of account {account_id!r} was ever read")
        stored = (await transaction.histories([row]))[account_id]
        file, _ = take_in(row, stored, (), (), made.policies)
        companies = await transaction.companies(sorted(file.company_keys), "none")
    terminations = {key: read_terminations(company.terminations) for key, company in companies.items()}
    until = max(horizon, row.judged_until or MINUS_INFINITY)
    history = file.history
    if at is not None:
        history, terminations = _up_to(file, terminations, at)
        until = min(until, at)
    judgement = judge(account_id, history, terminations, made.policies, until)
    log = await made.pool.fetch(statement("log_of_subject"), account_id)
    return Explanation(account_id, judgement, history, [json.loads(each[0]) for each in log], row.held, at)


def _up_to(
    file: AccountFile, terminations: dict[str, tuple[Termination, ...]], at: Instant
) -> tuple[History, dict[str, tuple[Termination, ...]]]:
    """The facts and terminations up to and including an instant."""
    history = file.history
    orders = tuple(span for span in history.orders if span.first.at <= at)
    cut = History(
        tuple(fact for fact in history.registry if fact.at <= at),
        tuple(fact for fact in history.cases if fact.at <= at),
        tuple(fact for fact in history.requests if fact.at <= at),
        orders,
    )
    known = {
        key: tuple(_as_of(each, at) for each in of_company if each.upheld.at <= at)
        for key, of_company in terminations.items()
    }
    return cut, known


def _as_of(termination: Termination, at: Instant) -> Termination:
    reversal = termination.reversal
    return termination if reversal is None or reversal.at <= at else replace(termination, reversal=None)


def facts_in_words(history: History) -> list[tuple[Instant, str]]:
    """The facts of a history in the order of time, a few words each."""
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
        found.append((span.first.at, f"effective order {span.first.order_id}"))
        if span.last != span.first:
            found.append((span.last.at, f"effective order {span.last.order_id}, the last of an unbroken row"))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class CompanyView:
    """What `standing company` shows."""

    company_key: str
    accounts: list[AccountRow]
    terminations: tuple[Termination, ...]
    spreading: bool

    def as_json(self) -> str:
        return json.dumps(
            {
                "company": self.company_key,
                "accounts": [{"account_id": each.account_id, "standing": each.standing} for each in self.accounts],
                "terminations": [
                    {
                        "effective_at": written(each.upheld.at),
                        "root_account_id": each.root_account_id,
                        "case_id": each.case_id,
                        "source": each.upheld.source,
                        "reapply_from": written(each.reapply_from),
                        "reversed_at": None if each.reversal is None else written(each.reversal.at),
                    }
                    for each in self.terminations
                ],
                "spreading": self.spreading,
            },
            ensure_ascii=False,
            indent=2,
        )


async def view_company(made: Parts, key: str) -> CompanyView:
    """A company's accounts (former members too), terminations and re-application dates."""
    stored = stored_key(key)
    company = await made.pool.fetchrow(statement("load_companies"), [stored])
    members = await made.pool.fetch("select account_id from memberships where company_key = $1", stored)
    if company is None and not members:
        raise NotFound(f"no account ever belonged to a company {key!r}; keys begin with id: or name:")
    found = [await made.store.account(row[0]) for row in members]
    accounts = sorted(row for row in found if row is not None)
    terminations = () if company is None else read_terminations(company["terminations"])
    spreading = await made.pool.fetchval("select exists (select from spreads where company_key = $1)", stored)
    return CompanyView(key, accounts, terminations, spreading)
