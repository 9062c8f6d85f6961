"""Builders for the model's tests: one readable call for each message, local times of Shanghai (UTC+8) as text.

They build messages and a policy, and shorten what a walk gave to what a test states; they judge nothing.
"""

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.model.calendar import Instant, instant_of
from tests.model.naive import Result, walk
from tests.model.policies import Policy, policy_from_dict
from tests.model.reading import Message

SHANGHAI = ZoneInfo("Asia/Shanghai")
BUYER = "buyer_complaint"


def local(text: str, zone: ZoneInfo = SHANGHAI) -> Instant:
    """`2016-02-10` or `2016-02-10 09:00` on the clocks of the zone, as an instant."""
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=zone))


def moment(at: str | Instant) -> Instant:
    """An instant, from local text where it is text."""
    return local(at) if isinstance(at, str) else at


def enrolled(at: str | Instant, account: str = "a", company: str = "c", event: str | None = None) -> Message:
    """The account enrols under a company with an id, or moves there."""
    content = {"event_id": event or f"r{moment(at)}", "account_id": account, "status": "enrolled"}
    return "seller-accounts", content | {"company_id": company, "company_name": company, "occurred_at": moment(at)}


def closed(at: str | Instant, account: str = "a", event: str | None = None) -> Message:
    """The account is closed."""
    content = {"event_id": event or f"r{moment(at)}", "account_id": account, "status": "closed"}
    return "seller-accounts", content | {"occurred_at": moment(at)}


def order(at: str | Instant, account: str = "a", order_id: str = "o", **fields: Any) -> Message:
    """An order becomes effective, where the fields do not say otherwise."""
    content: dict[str, Any] = {"event_id": f"o{moment(at)}", "account_id": account, "order_id": order_id}
    return "order-status", content | {"status": "awaiting_shipment", "occurred_at": moment(at)} | fields


def activation(at: str | Instant, account: str = "a", request: str = "q") -> Message:
    """The account asks for a temporary activation."""
    content = {"request_id": request, "account_id": account, "kind": "temporary_activation"}
    return "account-requests", content | {"occurred_at": moment(at)}


def reapplication(at: str | Instant, account: str = "a", request: str = "q") -> Message:
    """The account asks to be admitted again."""
    content = {"request_id": request, "account_id": account, "kind": "reapplication"}
    return "account-requests", content | {"occurred_at": moment(at)}


def case(
    at: str | Instant, outcome: str = "upheld", account: str = "a", case_id: str = "k", **fields: Any
) -> Message:
    """A case of a category that terminates has an outcome; its event id is `k` and the outcome unless given."""
    content: dict[str, Any] = {
        "event_id": f"{case_id}-{outcome}",
        "account_id": account,
        "case_id": case_id,
        "outcome": outcome,
    }
    content |= {"source": BUYER, "category": "refusal", "occurred_at": moment(at)}
    return "complaints", content | fields


VIOLATIONS = {
    "refusal": {
        "penalty": "terminate",
        "exempt_causes": ["terms_not_agreed"],
        "minimum_order_value": {"value": "50.00", "currency": "USD"},
    },
    "late": {"penalty": "terminate", "after": 3, "within_days": 90},
    "rude": {"penalty": "warn"},
    "small": {"penalty": "none"},
}


def policy(**changes: Any) -> Policy:
    """The policy of the announcement, in force from 2016-02-01 00:00 in Shanghai."""
    table: dict[str, Any] = {"id": "p", "effective_from": "2016-02-01T00:00:00+08:00", "violations": VIOLATIONS}
    return policy_from_dict(table | changes)


def play(*messages: Message, policies: tuple[Policy, ...] | None = None, watermark: float = math.inf) -> Result:
    """The walk over these messages, under the policy of the announcement where none is given."""
    return walk(messages, (policy(),) if policies is None else policies, watermark)


def told(result: Result, account: str = "a", notices: bool = False) -> list[tuple[str, str, Instant]]:
    """Kind, clause and instant of each decision about an account or a company, without notices of deadlines."""
    return [
        (decision.kind, decision.clause, decision.effective_at)
        for decision in result.decisions
        if decision.subject == account and (notices or decision.clause != "S6")
    ]


def only(result: Result, kind: str, account: str | None = None) -> Any:
    """The one decision of a kind (about an account)."""
    found = [one for one in result.decisions if one.kind == kind and account in {None, one.subject}]
    assert len(found) == 1, found
    return found[0]
