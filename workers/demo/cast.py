"""The cast of the demonstration: the facts of named accounts, one story for each part of the rulebook.

The demonstration reads the decisions from Kafka.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from workers.demo.generate import SHANGHAI, Generated, message
from workers.rules.calendar import DAY, Instant, instant


@dataclass(frozen=True, slots=True)
class Story:
    """A headline, and the accounts whose decisions the demonstration shows."""

    headline: str
    accounts: tuple[str, ...]


STORIES = (
    Story("no order for 180 days", ("zhang-idle",)),
    Story("pays during the lock-out", ("li-lockout",)),
    Story("pays on the last day of the temporary activation", ("wang-lastday",)),
    Story("pays one instant too late", ("zhao-toolate",)),
    Story("one case terminates a company of three", ("chen-one", "chen-two", "chen-three")),
    Story("re-applies on day 90, too early, and on day 91", ("chen-two",)),
    Story("an inspection terminates a company of three", ("sun-lamp", "sun-light", "sun-glow")),
    Story("a case upheld and later reversed", ("zhou-wronged",)),
    Story("OneTouch could not carry the order: not the seller's fault", ("wu-onetouch",)),
    Story("a payment that arrives after the suspension it prevents", ("zheng-late",)),
)

LATE = "zheng-late"
"""The account whose payment arrives long after it was made."""


def _at(text: str) -> Instant:
    return instant(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI))


def cast() -> list[Generated]:
    """The facts of the cast, unordered."""
    return [*_idle(), *_companies(), *_cases(), *_late()]


def _enrolled(account: str, company: str, when: str = "2016-03-01 10:00") -> Generated:
    return message(
        "seller-accounts",
        account,
        _at(when),
        event_id=f"{account}-enrolled",
        account_id=account,
        status="enrolled",
        company_id=company,
        company_name=company.title(),
    )


def _paid(account: str, when: str) -> Generated:
    order = f"{account}-{when[:10]}"
    return message(
        "order-status",
        account,
        _at(when),
        event_id=f"{order}-paid",
        order_id=order,
        account_id=account,
        status="待卖家发货",
        previous_status="awaiting_prepayment",
    )


def _asks(account: str, when: str, kind: str = "temporary_activation") -> Generated:
    return message(
        "account-requests", account, _at(when), request_id=f"{account}-{when}", account_id=account, kind=kind
    )


def _case(account: str, when: str, outcome: str = "upheld", **fields: str) -> Generated:
    known = {"source": "buyer_complaint", "category": "refusal_of_trade_assurance"}
    return message(
        "complaints",
        account,
        _at(when),
        event_id=f"{account}-{outcome}",
        case_id=f"{account}-case",
        account_id=account,
        outcome=outcome,
        **(known | fields),
    )


def _idle() -> Iterator[Generated]:
    """Paid on 10 March 2016, so suspended on 7 September; an activation of 10 September ends on the 26th."""
    for account in ("zhang-idle", "li-lockout", "wang-lastday", "zhao-toolate"):
        yield _enrolled(account, f"{account} ltd")
        yield _paid(account, "2016-03-10 09:30")
    for account in ("li-lockout", "wang-lastday", "zhao-toolate"):
        yield _asks(account, "2016-09-10 12:00")
    yield _paid("li-lockout", "2016-10-05 15:00")
    yield _paid("wang-lastday", "2016-09-25 23:59:59.999999")
    yield _paid("zhao-toolate", "2016-09-26 00:00")


def _companies() -> Iterator[Generated]:
    for account in ("chen-one", "chen-two", "chen-three"):
        yield _enrolled(account, "trio trading")
        yield _paid(account, "2016-05-20 11:00")
    yield _case("chen-one", "2016-06-01 14:00")
    yield _asks("chen-two", "2016-08-30 18:00", "reapplication")
    yield _asks("chen-two", "2016-08-31 09:00", "reapplication")
    for account in ("sun-lamp", "sun-light", "sun-glow"):
        yield _enrolled(account, "lantern works")
        yield _paid(account, "2016-06-20 11:00")
    yield _case("sun-glow", "2016-07-01 10:00", source="platform_inspection")


def _cases() -> Iterator[Generated]:
    for account in ("zhou-wronged", "wu-onetouch"):
        yield _enrolled(account, f"{account} ltd")
        yield _paid(account, "2016-06-05 10:00")
    yield _case("zhou-wronged", "2016-06-10 10:00")
    yield _case("zhou-wronged", "2016-06-25 16:00", "reversed")
    yield _case("wu-onetouch", "2016-06-12 10:00", cause="onetouch_unable")


def _late() -> Iterator[Generated]:
    yield _enrolled(LATE, "zheng-late ltd")
    yield _paid(LATE, "2016-03-10 09:30")
    paid = _paid(LATE, "2016-08-20 10:00")
    yield replace(paid, arrives_at=paid.event_at + 120 * DAY)
