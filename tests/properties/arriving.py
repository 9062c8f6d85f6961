"""The engine's rules while messages arrive: the fast path, the judgement, the difference and the lazy next_check.

It is what the workers do, without a database, and keeps what a subscriber would have read. It owns no rule;
where a withdrawal names what does not stand, or a decision is published twice, it raises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

from tests.properties.rules_engine import Known, Message, decode
from workers.codec.batch import Batch
from workers.enforcement.fast_path import later_check, sort_out
from workers.rules.calendar import Instant
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Decision
from workers.rules.difference import Published, difference
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.rules.history import add_orders
from workers.rules.judge import Judgement
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY, AccountRow


class Stands(NamedTuple):
    """A decision that was published and not withdrawn."""

    published: Published
    decision: Decision


class Said(NamedTuple):
    """One message of the output: a decision published or withdrawn."""

    subject: str
    withdrawn: bool
    decision_id: str


@dataclass(slots=True)
class Arrival:
    """The engine's state between two messages. What it holds is replaced, never changed, so a copy is cheap."""

    policies: Policies
    known: dict[str, Known] = field(default_factory=dict)
    rows: dict[str, AccountRow] = field(default_factory=dict)
    terminations: dict[str, tuple[Termination, ...]] = field(default_factory=dict)
    published: dict[str, dict[str, Stands]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    said: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """What is said of each account now (`Standing.compared`)."""
    log: list[Said] = field(default_factory=list)
    watermark: Instant = MINUS_INFINITY
    fast: int = 0

    def copy(self) -> "Arrival":
        """A second one that goes on by itself."""
        return replace(
            self, known=dict(self.known), rows=dict(self.rows), terminations=dict(self.terminations),
            published=dict(self.published), sequences=dict(self.sequences), said=dict(self.said), log=list(self.log),
        )  # fmt: skip

    def arrive(self, messages: Iterable[Message], watermark: Instant) -> None:
        """Messages are read in one batch while the watermark stands there."""
        self.take_in(decode(messages, self.policies), watermark)

    def take_in(self, batch: Batch, watermark: Instant) -> None:
        """The same with messages that were decoded before."""
        self.watermark = max(self.watermark, watermark)
        ids = batch.account_ids()
        rows = [self.rows.setdefault(account_id, AccountRow(account_id)) for account_id in ids]
        judged, changes = sort_out(rows, batch.orders, batch.facts, self.policies)
        for each in changes.moved + changes.begun:
            self._moves(each)
        learned = [row.account_id for row in judged if self._learns(row.account_id, batch)]
        self._terminate(learned, [row.account_id for row in judged])

    def wakes(self, watermark: Instant) -> None:
        """The timers enforce what deadlines decide up to the watermark, but for accounts that only woke early."""
        self.watermark = max(self.watermark, watermark)
        due = [row for row in self.rows.values() if row.next_check is not None and row.next_check <= self.watermark]
        for row in due:
            later = later_check(row, self.watermark, self.policies)
            if later is None:
                self._judge(row.account_id)
            else:
                self.rows[row.account_id] = row._replace(next_check=later)

    def net(self) -> list[Decision]:
        """What was published and not withdrawn, each subject's in the order of its sequence."""
        return [each.decision for of_one in self.published.values() for each in of_one.values()]

    def breaks_the_rule(self, account_id: str) -> str | None:
        """How what is said of an account differs from the rule of the README, which needs only its decisions."""
        in_force = self.published.get(account_id, {}).values()
        last = max(in_force, key=lambda each: (each.published.effective_at, each.published.sequence), default=None)
        standing, since = self.said.get(account_id, ("not_enrolled", 0))[:2]
        if last is None:  # enrolled before the first policy, or never
            return None if cast("Instant", since) < self.policies.first_start else f"{standing} without a decision"
        after = last.decision.standing_after
        return None if after == standing else f"{standing}, by the last decision in force {after}"

    def judgement(self, account_id: str, watermark: Instant) -> Judgement:
        """What the full judgement of an account says, its history as it is kept."""
        return self.known[account_id].judged(account_id, self.terminations, self.policies, watermark)

    def _moves(self, moved: tuple[str, Instant, str]) -> None:
        """The fast path: only the end of the last span moves, or the first begins."""
        account_id, last = moved[0], EffectiveOrder(*moved[1:])
        self.fast += 1
        account = self.known.get(account_id, Known())
        before = account.orders[:-1]
        first = account.orders[-1].first if account.orders else last
        self.known[account_id] = replace(account, orders=(*before, OrderSpan(first, last)))
        self.rows[account_id] = self.rows[account_id]._replace(
            span_start=first.at, last_effective_at=last.at, last_order_id=last.order_id
        )

    def _learns(self, account_id: str, batch: Batch) -> bool:
        """Take in an account's facts and orders; whether they may change what its cases do."""
        account = self.known.get(account_id, Known())
        facts, orders = dict(account.facts), account.orders
        for each in batch.facts.get(account_id, ()):
            facts.setdefault((each.topic, each.id), each.fact)
        if account_id in batch.orders:
            effective = [EffectiveOrder(*order) for order in batch.orders[account_id]]
            orders = add_orders(orders, effective, self.policies)
        self.known[account_id] = Known(facts, orders)
        return any(topic in ("seller-accounts", "complaints") for topic, _ in facts.keys() - account.facts.keys())

    def _terminate(self, learned: Sequence[str], judged: Sequence[str]) -> None:
        """Bring the companies up to date, judge the accounts read of, and the others where a company changed."""
        changed = False
        for account_id in learned:
            own = case_effects(account_id, self.known[account_id].history(), self.policies).terminations
            keys = {each.company_key for each in own} | self.terminations.keys()
            for key in sorted(keys):
                before = self.terminations.get(key, ())
                others = [each for each in before if each.root_account_id != account_id]
                now = [*others, *(each for each in own if each.company_key == key)]
                now.sort(key=lambda termination: termination.order)
                if tuple(now) != before:
                    changed = True
                    self.terminations[key] = tuple(now)
                    self._publish(key, company_decisions(key, now))
        for account_id in sorted(self.known) if changed else judged:
            self._judge(account_id)

    def _judge(self, account_id: str) -> None:
        row = self.rows[account_id]
        until = max(self.watermark, MINUS_INFINITY if row.judged_until is None else row.judged_until)
        judgement = self.judgement(account_id, until)
        self._publish(account_id, judgement.decisions)
        if judgement.standing is not None:
            self.said[account_id] = judgement.standing.compared
        orders = self.known[account_id].orders
        last = orders[-1] if orders else None
        self.rows[account_id] = row._replace(
            standing=judgement.status,
            deferred=judgement.deferred,
            next_check=judgement.next_check,
            judged_until=None if until == MINUS_INFINITY else until,
            sequence=self.sequences[account_id],
            span_start=last.first.at if last else None,
            last_effective_at=last.last.at if last else None,
            last_order_id=last.last.order_id if last else None,
        )

    def _publish(self, subject: str, decided: Sequence[Decision]) -> None:
        net = self.published.get(subject, {})
        sequence = self.sequences.get(subject, 0)
        found = difference(decided, [each.published for each in net.values()])
        if found:
            net = dict(net)
        for wrong in found.withdraw:
            sequence += 1
            self.log.append(Said(subject, True, wrong.decision_id))
            del net[wrong.decision_id]
        for decision in found.publish:
            sequence += 1
            self.log.append(Said(subject, False, decision.id))
            assert decision.id not in net, f"published twice: {decision}"
            published = Published(decision.id, decision.kind, decision.effective_at, sequence, decision.content)
            net[decision.id] = Stands(published, decision)
        self.published[subject], self.sequences[subject] = net, sequence
