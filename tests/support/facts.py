"""Messages of the input topics, a line each; instants as Shanghai wall time."""

from collections.abc import Mapping

Message = tuple[str, str | None, bytes | Mapping[str, object] | None]


def at(text: str) -> str:
    """``2016-03-01 10:00`` in Shanghai, as RFC 3339."""
    day, time = text.split(" ")
    return f"{day}T{time if time.count(':') == 2 else time + ':00'}+08:00"


def enrolled(account_id: str, when: str, company: str = "acme", event_id: str | None = None) -> Message:
    fields = {
        "event_id": event_id or f"enrol-{account_id}-{when}",
        "account_id": account_id,
        "status": "enrolled",
        "company_id": company,
        "company_name": company.title(),
        "occurred_at": at(when),
    }
    return ("seller-accounts", account_id, fields)


def paid(account_id: str, when: str, order_id: str | None = None, **fields: object) -> Message:
    order = order_id or f"order-{account_id}-{when}"
    known = {
        "event_id": f"event-{order}",
        "order_id": order,
        "account_id": account_id,
        "status": "awaiting_shipment",
        "previous_status": "awaiting_prepayment",
        "occurred_at": at(when),
    }
    return ("order-status", account_id, known | fields)


def case(account_id: str, when: str, outcome: str = "upheld", case_id: str = "k", **fields: object) -> Message:
    known = {
        "event_id": f"{case_id}-{outcome}-{account_id}-{when}",
        "case_id": case_id,
        "account_id": account_id,
        "source": "buyer_complaint",
        "category": "refusal_of_trade_assurance",
        "outcome": outcome,
        "occurred_at": at(when),
    }
    return ("complaints", account_id, known | fields)


def asks(account_id: str, when: str, kind: str = "temporary_activation", request_id: str | None = None) -> Message:
    fields = {
        "request_id": request_id or f"request-{account_id}-{when}",
        "account_id": account_id,
        "kind": kind,
        "occurred_at": at(when),
    }
    return ("account-requests", account_id, fields)
