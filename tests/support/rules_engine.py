"""The engine's rules over a whole history at once, judged from scratch: what is read, known and concluded.

It decodes as the ingest worker does, keeps histories as the store does and calls the rules. `arriving` does the same
message by message.
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
from workers.rules.calendar import Instant, written
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Decision
from workers.rules.facts import CaseFact, EffectiveOrder, History, OrderSpan, RegistryFact, Request
from workers.rules.history import add_orders
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies

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


@dataclass(frozen=True, slots=True)
class Known:
    """All that was read of one account, each fact once."""

    facts: Mapping[tuple[str, str], RegistryFact | CaseFact | Request] = field(default_factory=dict)
    orders: tuple[OrderSpan, ...] = ()

    def history(self) -> History:
        facts = self.facts.values()
        return History(
            tuple(fact for fact in facts if isinstance(fact, RegistryFact)),
            tuple(fact for fact in facts if isinstance(fact, CaseFact)),
            tuple(fact for fact in facts if isinstance(fact, Request)),
            self.orders,
        )

    def judged(
        self,
        account_id: str,
        terminations: Mapping[str, Sequence[Termination]],
        policies: Policies,
        watermark: Instant,
    ) -> Judgement:
        """The full judgement, given the terminations of the companies the account ever belonged to."""
        history = self.history()
        keys = {fact.company.key for fact in history.registry if fact.company is not None}
        own = {key: terminations[key] for key in keys if key in terminations}
        return judge(account_id, history, own, policies, watermark)


def terminations_of(known: Mapping[str, Known], policies: Policies) -> dict[str, list[Termination]]:
    """Every company's terminations."""
    found: dict[str, list[Termination]] = {}
    for account_id, account in known.items():
        for termination in case_effects(account_id, account.history(), policies).terminations:
            found.setdefault(termination.company_key, []).append(termination)
    return found


def known_of(messages: Sequence[Message], policies: Policies, *, compressed: bool = True) -> dict[str, Known]:
    """What is known of each account once all messages were read; orders as spans, or each by itself."""
    batch = decode(messages, policies)
    found: dict[str, Known] = {}
    for account_id in batch.account_ids():
        facts: dict[tuple[str, str], RegistryFact | CaseFact | Request] = {}
        for each in batch.facts.get(account_id, ()):
            facts.setdefault((each.topic, each.id), each.fact)
        effective = [EffectiveOrder(*order) for order in batch.orders.get(account_id, ())]
        alone = (
            OrderSpan(order, order) for order in sorted(set(effective), key=lambda each: (each.at, each.order_id))
        )
        found[account_id] = Known(facts, add_orders((), effective, policies) if compressed else tuple(alone))
    return found


def from_scratch(
    messages: Sequence[Message], policies: Policies, watermark: Instant, *, compressed: bool = True
) -> tuple[list[Decision], dict[str, Judgement]]:
    """Every decision and judgement over all messages at once."""
    known = known_of(messages, policies, compressed=compressed)
    terminations = terminations_of(known, policies)
    judgements = {
        account_id: account.judged(account_id, terminations, policies, watermark)
        for account_id, account in known.items()
    }
    decisions = [decision for judgement in judgements.values() for decision in judgement.decisions]
    for key, of_company in terminations.items():
        decisions += company_decisions(key, of_company)
    return decisions, judgements
