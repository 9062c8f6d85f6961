"""The messages that the parts of the benchmark send, each as topic, key and value."""

import json
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

Message = tuple[str, str, bytes]

ENROLLED = "2016-03-01T10:00:00+08:00"
"""Without an order such an account is suspended on 29 August 2016 at 00:00 in Shanghai."""
FIRST_ORDER = datetime(2016, 3, 2, tzinfo=UTC)


def seller(number: int) -> str:
    """The id of an account."""
    return f"seller-{number:08d}"


def value(**fields: Any) -> bytes:
    """A message's value."""
    return json.dumps(fields).encode()


def enrolment(account: str, company: str, when: str = ENROLLED) -> Message:
    """An enrolment under a company."""
    content = value(
        event_id=f"enrol-{account}",
        account_id=account,
        status="enrolled",
        company_id=company,
        company_name=f"Trading house {company}",
        occurred_at=when,
    )
    return "seller-accounts", account, content


def enrolments(accounts: int, members: int = 3, when: str = ENROLLED) -> Iterator[Message]:
    """An enrolment of each account, in companies of some members."""
    for number in range(accounts):
        yield enrolment(seller(number), f"c{number // members:08d}", when)


def order(account: str, order_id: str, when: str) -> Message:
    """An order that becomes effective."""
    content = (
        f'{{"event_id": "event-{order_id}", "order_id": "{order_id}", "account_id": "{account}", '
        '"status": "awaiting_shipment", "previous_status": "awaiting_prepayment", '
        f'"occurred_at": "{when}", "amount": {{"value": "1250.00", "currency": "USD"}}}}'
    )
    return "order-status", account, content.encode()


def orders(accounts: int, first: int, count: int, zipf: bool = False) -> Iterator[Message]:
    """Orders that become effective, a second apart; all accounts alike, or a few busy ones (Zipf, exponent 1)."""
    random = Random(first)  # noqa: S311
    weights = list(accumulate(1 / rank for rank in range(1, accounts + 1))) if zipf else []
    for number in range(first, first + count):
        at = (FIRST_ORDER + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        index = bisect(weights, random.random() * weights[-1]) if zipf else int(random.random() * accounts)
        yield order(seller(index), f"order-{number:09d}", at)
