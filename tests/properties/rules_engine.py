"""The engine's rules over a whole history in memory: as judged from scratch, and as enforced message by message.

`from_scratch` takes all messages at once. `Arrival` takes them one at a time, with the fast path and the lazy
wake_at that the workers use, and keeps what would have been published; only the database is missing.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.model.policies import Policy as ModelPolicy
from tests.model.policies import policy_from_dict
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.policies import read_policies
from workers.enforcement.fast_path import sort_out
from workers.rules.calendar import Instant, written
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Decision
from workers.rules.difference import Published, difference
from workers.rules.facts import CaseFact, EffectiveOrder, History, OrderSpan, RegistryFact, Request
from workers.rules.history import add_orders
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow

Message = tuple[str, dict[str, Any]]
FAR = 2**60


def both(*texts: str) -> tuple[list[ModelPolicy], Policies]:
    """The same policy files for the model and for the engine."""
    files = [(f"{number}.toml", text.encode()) for number, text in enumerate(texts)]
    return [policy_from_dict(tomllib.loads(text)) for text in texts], read_policies(files)


def decode(messages: Iterable[Message], policies: Policies) -> Batch:
    """Messages as the ingest worker decodes them."""
    batch = Batch()
    decoder = Decoder(policies, 1 << 20)
    for offset, (topic, content) in enumerate(messages):
        value = json.dumps(content | {"occurred_at": written(content["occurred_at"])}).encode()
        record = SimpleNamespace(
            topic=topic, partition=0, offset=offset, timestamp=0, key=None, value=value, headers=()
        )
        decoder.decode(topic, [record], batch, FAR)
    assert not batch.rejected, batch.rejected
    return batch


@dataclass
class Known:
    """All that was read of one account, each fact once."""

    facts: dict[tuple[str, str], RegistryFact | CaseFact | Request] = field(default_factory=dict)
    orders: tuple[OrderSpan, ...] = ()

    def history(self, orders: tuple[OrderSpan, ...] | None = None) -> History:
        facts = self.facts.values()
        return History(
            tuple(fact for fact in facts if isinstance(fact, RegistryFact)),
            tuple(fact for fact in facts if isinstance(fact, CaseFact)),
            tuple(fact for fact in facts if isinstance(fact, Request)),
            self.orders if orders is None else orders,
        )


def terminations_of(known: Mapping[str, Known], policies: Policies) -> dict[str, list[Termination]]:
    """Every company's terminations."""
    found: dict[str, list[Termination]] = {}
    for account_id, account in known.items():
        for termination in case_effects(account_id, account.history(), policies).terminations:
            found.setdefault(termination.company_key, []).append(termination)
    return found


def from_scratch(
    messages: Sequence[Message], policies: Policies, horizon: Instant, *, compressed: bool = True
) -> tuple[list[Decision], dict[str, Judgement]]:
    """Every decision and judgement over all messages at once."""
    known: dict[str, Known] = {}
    batch = decode(messages, policies)
    for account_id, facts in batch.facts.items():
        for each in facts:
            known.setdefault(account_id, Known()).facts.setdefault((each.topic, each.id), each.fact)
    for account_id, orders in batch.orders.items():
        effective = [EffectiveOrder(*order) for order in orders]
        spans = tuple(OrderSpan(order, order) for order in sorted(set(effective), key=lambda o: (o.at, o.order_id)))
        known.setdefault(account_id, Known()).orders = add_orders((), effective, policies) if compressed else spans
    terminations = terminations_of(known, policies)
    judgements = {
        account_id: judge(account_id, account.history(), terminations, policies, horizon)
        for account_id, account in known.items()
    }
    decisions = [decision for judgement in judgements.values() for decision in judgement.decisions]
    for key, of_company in terminations.items():
        decisions += company_decisions(key, of_company)
    return decisions, judgements


@dataclass
class Arrival:
    """The engine's state while messages arrive one by one."""

    policies: Policies
    known: dict[str, Known] = field(default_factory=dict)
    rows: dict[str, AccountRow] = field(default_factory=dict)
    published: dict[str, dict[str, Decision]] = field(default_factory=dict)
    horizon: Instant = MINUS_INFINITY
    fast: int = 0

    def arrives(self, message: Message, horizon: Instant) -> None:
        """One message is read while the horizon stands there."""
        self.horizon = max(self.horizon, horizon)
        batch = decode([message], self.policies)
        for account_id in batch.account_ids():
            row = self.rows.setdefault(account_id, AccountRow(account_id))
            account = self.known.setdefault(account_id, Known())
            moved, begun, judged = sort_out([row], batch.orders, batch.facts, self.policies)
            for each in moved + begun:
                self.fast += 1
                self._moves(account, row, each)
            if not judged:
                continue
            for fact in batch.facts.get(account_id, ()):
                account.facts.setdefault((fact.topic, fact.id), fact.fact)
            orders = [EffectiveOrder(*order) for order in batch.orders.get(account_id, ())]
            account.orders = add_orders(account.orders, orders, self.policies)
            everyone = self.known if batch.facts else [account_id]
            for each_id in everyone:
                self._judge(each_id)

    def _moves(self, account: Known, row: AccountRow, moved: tuple[str, Instant, str]) -> None:
        last = EffectiveOrder(*moved[1:])
        if account.orders:
            account.orders = (*account.orders[:-1], OrderSpan(account.orders[-1].first, last))
        else:
            account.orders = (OrderSpan(last, last),)
        self.rows[row.account_id] = row._replace(
            dense_since=account.orders[-1].first.at, last_effective_at=last.at, last_order_id=last.order_id
        )

    def wakes(self, horizon: Instant) -> None:
        """The timers enforce what silence decides up to the horizon."""
        self.horizon = max(self.horizon, horizon)
        for account_id, row in self.rows.items():
            if row.wake_at is not None and row.wake_at <= self.horizon:
                self._judge(account_id)

    def _judge(self, account_id: str) -> None:
        account, row = self.known[account_id], self.rows[account_id]
        terminations = terminations_of(self.known, self.policies)
        until = max(self.horizon, MINUS_INFINITY if row.judged_until is None else row.judged_until)
        judgement = judge(account_id, account.history(), terminations, self.policies, until)
        net = self.published.setdefault(account_id, {})
        standing = [Published(each.id, each.kind, each.effective_at, 0, each.content) for each in net.values()]
        found = difference(judgement.decisions, standing)
        for wrong in found.withdraw:
            del net[wrong.decision_id]
        for decision in found.publish:
            assert decision.id not in net
            net[decision.id] = decision
        last = account.orders[-1] if account.orders else None
        self.rows[account_id] = row._replace(
            standing=judgement.status,
            waits=judgement.waits,
            wake_at=judgement.wake_at,
            judged_until=None if until == MINUS_INFINITY else until,
            sequence=row.sequence + len(found.withdraw) + len(found.publish),
            dense_since=last.first.at if last else None,
            last_effective_at=last.last.at if last else None,
            last_order_id=last.last.order_id if last else None,
        )

    def net(self) -> dict[str, Decision]:
        """What was published and not withdrawn of all accounts, by id."""
        return {key: decision for of_one in self.published.values() for key, decision in of_one.items()}
