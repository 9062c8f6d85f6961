"""Builders that make a history readable in one line, and what the rules decide of it.

Instants are written as Shanghai wall time, ``"2016-03-01 10:00"``; seconds and microseconds may follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from workers.rules.calendar import Instant, instant, moment
from workers.rules.company import Termination, case_effects, company_decisions
from workers.rules.decisions import Decision
from workers.rules.facts import CaseFact, Company, EffectiveOrder, History, RegistryFact, Request
from workers.rules.history import add_orders
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies, Policy, PolicyStamp, Violation

SHANGHAI = ZoneInfo("Asia/Shanghai")
LATER = "2030-01-01 00:00"


def at(text: str, zone: ZoneInfo = SHANGHAI) -> Instant:
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


def wall(when: Instant, zone: ZoneInfo = SHANGHAI) -> str:
    local = moment(when).astimezone(zone).replace(tzinfo=None)
    return local.isoformat(" ", "minutes" if local.second == local.microsecond == 0 else "microseconds")


def policy(start: str = "2016-02-01 00:00", name: str = "2016-02", **changes: object) -> Policy:
    fields: dict[str, object] = {
        "stamp": PolicyStamp(name, f"digest of {name}"),
        "effective_from": at(start),
        "zone": SHANGHAI,
        "day_count": "calendar",
        "inactivity_days": 180,
        "activation_days": 15,
        "lockout_days": 30,
        "reapply_days": 90,
        "inactivity_notices": (30, 7, 1),
        "activation_notices": (3, 1),
        "exempt_causes": frozenset({"onetouch_unable"}),
        "violations": {
            "refusal_of_trade_assurance": Violation("terminate", exempt_causes=frozenset({"terms_not_agreed"})),
            "late_shipment": Violation("terminate", after=3, within_days=90),
            "rudeness": Violation("warn"),
            "typo_in_listing": Violation("none"),
        },
    }
    return Policy(**(fields | changes))  # type: ignore[arg-type]


QUIET = policy(inactivity_notices=(), activation_notices=())
"""The sample policy without notices, where they would only clutter a story."""


@dataclass
class Story:
    """The facts of one account, and the judgement of them."""

    account_id: str = "a"
    policies: Sequence[Policy] = (QUIET,)
    registry: list[RegistryFact] = field(default_factory=list)
    cases: list[CaseFact] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    orders: list[EffectiveOrder] = field(default_factory=list)
    others: list[Termination] = field(default_factory=list)

    def enrolled(self, when: str, company: str = "acme", event_id: str | None = None) -> "Story":
        name = event_id or f"e{len(self.registry)}"
        self.registry.append(RegistryFact(at(when), name, "enrolled", Company(f"id:{company}", company.title())))
        return self

    def closed(self, when: str, event_id: str | None = None) -> "Story":
        self.registry.append(RegistryFact(at(when), event_id or f"e{len(self.registry)}", "closed", None))
        return self

    def paid(self, when: str, order_id: str | None = None) -> "Story":
        self.orders.append(EffectiveOrder(at(when), order_id or f"o{len(self.orders)}"))
        return self

    def asks(self, when: str, kind: str = "temporary_activation", request_id: str | None = None) -> "Story":
        self.requests.append(Request(at(when), request_id or f"r{len(self.requests)}", kind))
        return self

    def reapplies(self, when: str) -> "Story":
        return self.asks(when, "reapplication")

    def case(self, when: str, outcome: str = "upheld", case_id: str = "k", **fields: object) -> "Story":
        known = {"category": "refusal_of_trade_assurance", "source": "buyer_complaint"}
        event_id = str(fields.pop("event_id", f"c{len(self.cases)}"))
        facts = known | fields
        self.cases.append(CaseFact(at(when), event_id, case_id, outcome=outcome, **facts))  # type: ignore[arg-type]
        return self

    def company_hit(self, other: "Story") -> "Story":
        """The terminations of another account's cases are in force for this one too."""
        self.others += other.terminations()
        return self

    @property
    def history(self) -> History:
        spans = add_orders((), self.orders, Policies(self.policies))
        return History(tuple(self.registry), tuple(self.cases), tuple(self.requests), spans)

    def terminations(self) -> tuple[Termination, ...]:
        return case_effects(self.account_id, self.history, Policies(self.policies)).terminations

    def judged(self, until: str = LATER) -> Judgement:
        by_company: dict[str, list[Termination]] = {}
        for termination in [*self.others, *self.terminations()]:
            by_company.setdefault(termination.company_key, []).append(termination)
        return judge(self.account_id, self.history, by_company, Policies(self.policies), at(until))

    def decided(self, until: str = LATER) -> list[str]:
        """Every decision but the first enrolment's, as ``2016-08-29 00:00 account_suspended``."""
        return [line(each) for each in self.judged(until).decisions if each.clause != "E1"]

    def of_company(self, company: str = "acme") -> list[str]:
        return [line(each) for each in company_decisions(f"id:{company}", self.terminations())]


def line(decision: Decision) -> str:
    """One decision in a line: instant, kind, and what its kind names."""
    names = ("reason", "days_left", "order_id", "case_event_id")
    parts = [wall(decision.effective_at), decision.kind]
    parts += [str(decision.details[name]) for name in names if name in decision.details]
    if decision.kind == "account_reinstated":
        parts.append(decision.standing_after)
    shown = ("expires_at", "locked_out_until", "reapply_from", "not_before")
    parts += [f"until {wall(decision.instants[name])}" for name in shown if name in decision.instants]
    return " ".join(parts)
