"""What the model does before the walk: messages in the order of their arrival become facts or dead letters.

A message is bad by itself, or by what was read before it (a conflicting duplicate, too many requests of a day).
Dead letters are counted with their reason and change nothing else; a message read twice is one fact.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.model.calendar import Instant, datetime_of, parse_instant
from tests.model.policies import Policy

Message = tuple[str, dict[str, Any]]

EFFECTIVE = {
    "awaiting_shipment": "awaiting_shipment",
    "awaiting_prepayment_confirmation": "awaiting_prepayment_confirmation",
    "awaiting_full_prepayment": "awaiting_full_prepayment",
    "待卖家发货": "awaiting_shipment",
    "待您确认预付款金额": "awaiting_prepayment_confirmation",
    "待付足预付款": "awaiting_full_prepayment",
}
OTHER_STATUSES = {"drafted", "awaiting_prepayment", "shipped", "completed", "cancelled", "refunded"}
ORDER_STATUSES = EFFECTIVE | {status: status for status in OTHER_STATUSES}
SOURCES = {"buyer_complaint", "platform_inspection"}
OUTCOMES = {"opened", "upheld", "dismissed", "withdrawn", "reversed"}
REQUESTS = {"temporary_activation", "reapplication"}
REQUESTS_OF_A_DAY = 50
FUTURE = 5 * 60 * 1_000_000
AMOUNT_VALUE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
WITH_T_SINCE_1970 = re.compile(r"(19[7-9]|[2-9][0-9]{2})[0-9]-[0-9-]{5}[Tt].*")
"""What the contract asks of a timestamp beyond RFC 3339."""
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
CURRENCY = re.compile(r"[A-Z]{3}")


class BadMessage(Exception):
    """A message that is no fact by itself."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A message that was read, with every field of the contract; `id` is what orders facts of one kind."""

    topic: str
    account_id: str
    id: str
    at: Instant
    fields: dict[str, Any]


@dataclass(slots=True)
class Reading:
    """The facts in the order of their arrival, and the reason of each dead letter with its message."""

    facts: list[Fact] = field(default_factory=list)
    dead_letters: list[tuple[str, Message]] = field(default_factory=list)


def company_key(fields: dict[str, Any]) -> str:
    """The key of the company that a registry fact names."""
    if fields["company_id"] is not None:
        return "id:" + str(fields["company_id"])
    return "name:" + " ".join(unicodedata.normalize("NFKC", fields["company_name"]).casefold().split())


def text(message: dict[str, Any], name: str, longest: int = 128) -> str:
    """A text without control characters, of 1 to `longest` characters."""
    value = message.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise BadMessage(name)
    if CONTROL_CHARACTER.search(value):
        raise BadMessage(name)
    return value


def optional_text(message: dict[str, Any], name: str, longest: int = 128) -> str | None:
    """The same, or nothing."""
    return None if message.get(name) is None else text(message, name, longest)


def one_of(message: dict[str, Any], name: str, allowed: Iterable[str]) -> str:
    """One of the words that the contract lists."""
    value = message.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise BadMessage(name)
    return value


def amount(message: dict[str, Any], name: str) -> tuple[str, str] | None:
    """An amount as its decimal text and its currency, or nothing."""
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        raise BadMessage(name)
    if not isinstance(value.get("currency"), str) or not CURRENCY.fullmatch(value["currency"]):
        raise BadMessage(name)
    if not AMOUNT_VALUE.fullmatch(value["value"]):
        raise BadMessage(name)
    return value["value"], value["currency"]


def occurred_at(message: dict[str, Any]) -> Instant:
    """The instant of a message, given as RFC 3339 or as microseconds since the epoch."""
    value = message.get("occurred_at")
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not WITH_T_SINCE_1970.fullmatch(value):
        raise BadMessage("occurred_at")
    try:
        return parse_instant(value)
    except (ValueError, OverflowError) as error:
        raise BadMessage("occurred_at") from error


def order_status(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of an order message."""
    previous = None
    if message.get("previous_status") is not None:
        previous = ORDER_STATUSES[one_of(message, "previous_status", ORDER_STATUSES)]
    return {
        "event_id": text(message, "event_id"),
        "order_id": text(message, "order_id"),
        "status": ORDER_STATUSES[one_of(message, "status", ORDER_STATUSES)],
        "previous_status": previous,
        "amount": amount(message, "amount"),
    }


def complaint(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a case message."""
    return {
        "event_id": text(message, "event_id"),
        "case_id": text(message, "case_id"),
        "order_id": optional_text(message, "order_id"),
        "source": one_of(message, "source", SOURCES),
        "category": text(message, "category"),
        "outcome": one_of(message, "outcome", OUTCOMES),
        "cause": optional_text(message, "cause"),
        "order_amount": amount(message, "order_amount"),
    }


def registry(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a registry message."""
    status = one_of(message, "status", {"enrolled", "closed"})
    name = optional_text(message, "company_name", 256)
    if (name is None and status == "enrolled") or (name is not None and not name.strip()):
        raise BadMessage("company_name")
    return {
        "event_id": text(message, "event_id"),
        "status": status,
        "company_id": optional_text(message, "company_id"),
        "company_name": name,
        "region": optional_text(message, "region"),
    }


def request(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request."""
    return {"request_id": text(message, "request_id"), "kind": one_of(message, "kind", REQUESTS)}


FIELDS = {
    "order-status": order_status,
    "complaints": complaint,
    "seller-accounts": registry,
    "account-requests": request,
}


def read_message(message: Message) -> Fact:
    """The fact of one message; BadMessage where it is none."""
    topic, content = message
    fields = FIELDS[topic](content)
    identity = fields["request_id"] if topic == "account-requests" else fields["event_id"]
    return Fact(topic, text(content, "account_id"), identity, occurred_at(content), fields)


def read(messages: Iterable[Message], policies: tuple[Policy, ...], now: float = math.inf) -> Reading:
    """The facts of all messages. `now` is the wall clock in microseconds; infinity lets any future pass."""
    reading = Reading()
    first_read: dict[tuple[str, str, str], Fact] = {}
    requests: Counter[tuple[str, Any]] = Counter()
    for message in messages:
        try:
            fact = read_message(message)
        except BadMessage:
            reading.dead_letters.append(("invalid_message", message))
            continue
        if fact.topic == "order-status":
            if fact.at > now + FUTURE:
                reading.dead_letters.append(("occurred_in_future", message))
            else:
                reading.facts.append(fact)
            continue
        reason = why_dead(fact, first_read, requests, policies, now)
        if reason is not None:
            reading.dead_letters.append((reason, message))
        elif (fact.topic, fact.account_id, fact.id) not in first_read:
            first_read[fact.topic, fact.account_id, fact.id] = fact
            reading.facts.append(fact)
            if fact.topic == "account-requests":
                requests[fact.account_id, day_of(fact)] += 1
    return reading


def why_dead(
    fact: Fact,
    first_read: dict[tuple[str, str, str], Fact],
    requests: Counter[tuple[str, Any]],
    policies: tuple[Policy, ...],
    now: float,
) -> str | None:
    """The reason for which a well-formed message is a dead letter all the same, or nothing."""
    if fact.at > now + FUTURE:
        return "occurred_in_future"
    if fact.topic == "complaints" and fact.fields["outcome"] == "upheld":
        known = any(fact.fields["category"] in policy.violations for policy in policies)
        if not known:
            return "unknown_category"
    before = first_read.get((fact.topic, fact.account_id, fact.id))
    if before is not None:
        return None if before == fact else "conflicting_duplicate"
    if fact.topic == "account-requests" and requests[fact.account_id, day_of(fact)] >= REQUESTS_OF_A_DAY:
        return "too_many_requests"
    return None


def day_of(fact: Fact) -> Any:
    """The UTC day of a fact."""
    return datetime_of(fact.at).date()


def is_effective_order(fact: Fact) -> bool:
    """Whether an order enters one of the three statuses of an arrived prepayment, from outside of them."""
    entered = EFFECTIVE.values()
    return fact.fields["status"] in entered and fact.fields["previous_status"] not in entered


def amount_below(fact: Fact, minimum: Decimal | None, currency: str | None) -> bool:
    """Whether a case gives its order's amount in that currency, and the amount is strictly below the minimum."""
    given = fact.fields["order_amount"]
    return minimum is not None and given is not None and given[1] == currency and Decimal(given[0]) < minimum
