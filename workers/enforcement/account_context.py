"""An account's row, history and published decisions while a unit of work evaluates it.

Owns the rules for doubled ids and for too many requests, which depend on what was read first, and what is kept of an
account that cannot be evaluated. It decides nothing about standings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.codec.batch import ReceivedFact, Rejected
from workers.codec.facts import read_fact
from workers.ops.logs import Log
from workers.rules.calendar import DAY, Instant
from workers.rules.decisions import Because, Evidence
from workers.rules.difference import Published
from workers.rules.facts import CaseFact, EffectiveOrder, History, OrderSpan, RegistryFact, Request
from workers.rules.history import add_orders, keep_orders
from workers.rules.policy import Policies
from workers.store.records import AccountRow, StoredFact, StoredHistory

log = Log()

REQUESTS_A_DAY = 50
LONGEST_WHY = 300


@dataclass(slots=True)
class AccountContext:
    """One account in a unit of work: what is stored of it, with what a batch says of it."""

    row: AccountRow
    history: History
    published: Sequence[Published]
    stored_spans: Sequence[OrderSpan]
    new_facts: list[StoredFact] = field(default_factory=list)
    because: Because = field(default_factory=Because)
    failed: str | None = None
    """Why it cannot be evaluated; what was read of it is kept."""
    company_keys: Sequence[str] = field(init=False)
    """Every company the account ever belonged to, sorted."""

    def __post_init__(self) -> None:
        registry = self.history.registry
        self.company_keys = sorted({fact.company.key for fact in registry if fact.company is not None})

    @property
    def account_id(self) -> str:
        return self.row.account_id

    @property
    def has_new_registry_fact(self) -> bool:
        return any(fact.topic == "seller-accounts" for fact in self.new_facts)

    @property
    def may_change_companies(self) -> bool:
        """Whether which of its cases terminate can change: by new facts, or by those read in quarantine."""
        if not self.history.cases:
            return False
        new = any(fact.topic in ("seller-accounts", "complaints") for fact in self.new_facts)
        return new or self.row.quarantined is not None


def open_context(
    row: AccountRow,
    stored: StoredHistory,
    received: Sequence[ReceivedFact],
    orders: Sequence[tuple[Instant, str]],
    policies: Policies,
    why: str | None = None,
) -> tuple[AccountContext, list[Rejected]]:
    """An account's context with a batch's facts and orders, and the records that must be refused.

    `why` it is not to be evaluated, where it is not; one whose facts cannot be read is not either.
    """
    if why is None:
        try:
            return read_context(row, stored, received, orders, policies)
        except Exception as error:
            log.exception("account quarantined: its facts cannot be read", account_id=row.account_id)
            why = why_not(error, "its facts cannot be read: ")
    return unread_context(row, stored, received, orders, policies, why)


def read_context(
    row: AccountRow,
    stored: StoredHistory,
    received: Sequence[ReceivedFact],
    orders: Sequence[tuple[Instant, str]],
    policies: Policies,
) -> tuple[AccountContext, list[Rejected]]:
    """The context of an account that can be evaluated; raises where its facts cannot be read."""
    accepted, rejected = _accept(stored.facts, received)
    facts = [read_fact(fact.topic, fact.content) for fact in stored.facts]
    facts += [each.fact for each in accepted]
    effective = [EffectiveOrder(*order) for order in orders]
    if row.last_effective_at is not None and not stored.spans:
        raise LookupError("its row names a last order, and no order of it is stored")
    history = History(
        tuple(fact for fact in facts if isinstance(fact, RegistryFact)),
        tuple(fact for fact in facts if isinstance(fact, CaseFact)),
        tuple(fact for fact in facts if isinstance(fact, Request)),
        add_orders(stored.spans, effective, policies) if effective else tuple(stored.spans),
    )
    evidence = [Evidence(each.topic, each.id, each.account_id, each.at) for each in accepted]
    evidence += [Evidence("order-status", order.order_id, row.account_id, order.at) for order in effective]
    if row.quarantined is not None:  # which of its facts were kept without being judged is not known
        evidence += [Evidence(each.topic, each.id, row.account_id, each.occurred_at) for each in stored.facts]
    return AccountContext(
        row, history, stored.published, stored.spans, _stored(accepted), Because.of(evidence)
    ), rejected


def unread_context(
    row: AccountRow,
    stored: StoredHistory,
    received: Sequence[ReceivedFact],
    orders: Sequence[tuple[Instant, str]],
    policies: Policies,
    why: str,
) -> tuple[AccountContext, list[Rejected]]:
    """The context of an account that cannot be evaluated: what was stored of it is not read, what is new is kept.

    Of its history it has the new registry facts, for the companies that it joins, and the orders.
    """
    accepted, rejected = _accept(stored.facts, received)
    registry = tuple(each.fact for each in accepted if isinstance(each.fact, RegistryFact))
    effective = [EffectiveOrder(*order) for order in orders]
    try:
        kept = add_orders(stored.spans, effective, policies)
    except Exception:
        log.exception("orders of a quarantined account are kept as they came", account_id=row.account_id)
        kept = keep_orders(stored.spans, effective)
    history = History(registry, orders=kept)
    return AccountContext(row, history, (), stored.spans, _stored(accepted), failed=why), rejected


def why_not(error: BaseException, of: str = "") -> str:
    """An error in one line of ASCII, which every database can store: what failed, and how."""
    said = " ".join(f"{of}{type(error).__name__}: {error}".split())
    return (
        "".join(each if each.isprintable() else "?" for each in said)
        .encode("ascii", "backslashreplace")
        .decode()[:LONGEST_WHY]
    )


def _stored(accepted: Sequence[ReceivedFact]) -> list[StoredFact]:
    return [StoredFact(each.account_id, each.topic, each.id, each.at, each.content) for each in accepted]


def _accept(
    stored: Sequence[StoredFact], received: Sequence[ReceivedFact]
) -> tuple[list[ReceivedFact], list[Rejected]]:
    """The facts that are new: the first read under an id counts, and so many requests a UTC day."""
    if not received:
        return [], []
    known = {(fact.topic, fact.id): fact.content for fact in stored}
    requests: dict[int, int] = {}
    for fact in stored:
        if fact.topic == "account-requests":
            requests[fact.occurred_at // DAY] = requests.get(fact.occurred_at // DAY, 0) + 1
    accepted: list[ReceivedFact] = []
    rejected: list[Rejected] = []
    for each in received:
        before = known.get((each.topic, each.id))
        if before is not None:
            if before != each.content:
                detail = f"{each.id} was read before with another content"
                rejected.append(Rejected(each.record, each.topic, "conflicting_duplicate", detail))
            continue
        if each.topic == "account-requests":
            day = each.at // DAY
            if requests.get(day, 0) >= REQUESTS_A_DAY:
                detail = f"over {REQUESTS_A_DAY} requests of {each.account_id} on one UTC day"
                rejected.append(Rejected(each.record, each.topic, "too_many_requests", detail))
                continue
            requests[day] = requests.get(day, 0) + 1
        known[each.topic, each.id] = each.content
        accepted.append(each)
    return accepted, rejected


def changed_spans(context: AccountContext) -> tuple[list[Instant], list[OrderSpan]]:
    """The stored spans to delete (by their first instant), and the spans to insert.

    The stored end of the last span is not kept up to date: the account's row holds it. So a span is written
    when it is new, when it changed, and when it is the last no longer.
    """
    if context.history.orders == tuple(context.stored_spans):
        return [], []
    last = context.history.orders[-1]
    kept = {span.first.at: span for span in context.stored_spans[:-1]}
    former_last = context.stored_spans[-1] if context.stored_spans else None
    added = [
        span
        for span in context.history.orders
        if kept.get(span.first.at) != span
        and not (span is last and former_last is not None and former_last.first == span.first)
    ]
    new_firsts = {span.first.at for span in added}
    present = {span.first.at for span in context.history.orders}
    removed = [
        span.first.at for span in context.stored_spans if span.first.at not in present or span.first.at in new_firsts
    ]
    return removed, added
