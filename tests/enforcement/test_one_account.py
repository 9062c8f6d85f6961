"""One account in the unit of work in memory: what is refused, judged, published and stored, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson
import pytest

from tests.model.story import local
from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import ReceivedFact
from workers.codec.facts import read_fact
from workers.enforcement.account_context import read_context
from workers.enforcement.companies import CompanyContext
from workers.enforcement.evaluate import Basis, evaluate
from workers.enforcement.outbox import Outbox
from workers.rules.calendar import DAY, Instant
from workers.rules.difference import Published
from workers.store.records import MINUS_INFINITY, AccountRow, Changes, CompanyRow, Progress, StoredHistory

POLICIES = policies_of(SAMPLE.read_text())
ENROLLED = local("2016-03-01 10:00")
SUSPENDED = local("2016-08-29")


@dataclass(frozen=True, slots=True)
class At:
    """The record that a fact came in."""

    offset: int
    topic: str = ""
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def fact(topic: str, name: str, at: Instant, offset: int = 0, **fields: object) -> ReceivedFact:
    """A fact of the account as it was read."""
    text = orjson.dumps({"occurred_at": at, **fields}, option=orjson.OPT_SORT_KEYS).decode()
    return ReceivedFact("a", topic, name, at, text, read_fact(topic, text), At(offset))


def enrolled(at: Instant = ENROLLED, name: str = "Acme", event_id: str = "e0") -> ReceivedFact:
    return fact(
        "seller-accounts", event_id, at, event_id=event_id, status="enrolled", company_id="acme", company_name=name
    )


def request(name: str, at: Instant, offset: int = 0, kind: str = "reapplication") -> ReceivedFact:
    return fact("account-requests", name, at, offset, request_id=name, kind=kind)


@dataclass
class One:
    """The account as it is stored."""

    row: AccountRow = field(default_factory=lambda: AccountRow("a"))
    stored: StoredHistory = field(default_factory=StoredHistory)

    def reads(
        self, *facts: ReceivedFact, orders: Sequence[tuple[Instant, str]] = (), watermark: Instant
    ) -> list[str]:
        """One transaction; the kinds of the messages that it publishes."""
        context, _ = read_context(self.row, self.stored, facts, orders, POLICIES)
        changes = Changes()
        outbox = Outbox(0, changes, {})
        companies = {key: CompanyContext(CompanyRow(key), ()) for key in context.company_keys}
        evaluate([context], Basis(POLICIES, watermark, companies), outbox)
        assert context.failed is None
        [self.row] = changes.accounts
        withdrawn = {decision_id for _, _, decision_id in changes.withdrawn}
        published = [each for each in self.stored.published if each.decision_id not in withdrawn]
        published += [
            Published(new.decision_id, new.kind, new.effective_at, new.sequence, new.content)
            for new in changes.published
        ]
        self.stored = StoredHistory([*self.stored.facts, *context.new_facts], list(context.history.orders), published)
        return [message.kind for message in outbox.messages]


def refused(stored: StoredHistory, *facts: ReceivedFact) -> list[tuple[str, int]]:
    """Why which records are refused."""
    _, rejected = read_context(AccountRow("a"), stored, facts, (), POLICIES)
    return [(each.reason, each.record.offset) for each in rejected]


def kept(*facts: ReceivedFact) -> StoredHistory:
    """What is stored of facts that were read before."""
    context, _ = read_context(AccountRow("a"), StoredHistory(), facts, (), POLICIES)
    return StoredHistory(list(context.new_facts))


NOON = 20_000 * DAY + DAY // 2


def test_fifty_requests_of_a_utc_day_are_accepted_and_the_next_is_refused_in_any_batches() -> None:
    asked = [request(f"r{number}", NOON + number, number) for number in range(52)]
    assert refused(StoredHistory(), *asked[:50]) == []
    assert refused(StoredHistory(), *asked) == [("too_many_requests", 50), ("too_many_requests", 51)]
    assert refused(kept(*asked[:49]), *asked[49:]) == [("too_many_requests", 50), ("too_many_requests", 51)]
    assert refused(kept(*asked[:50]), *asked) == [("too_many_requests", 50), ("too_many_requests", 51)]


@pytest.mark.parametrize(
    ("at", "reasons"),
    [
        (20_001 * DAY - 1, [("too_many_requests", 50)]),
        (20_001 * DAY, []),
        (20_000 * DAY, [("too_many_requests", 50)]),
        (20_000 * DAY - 1, []),
    ],
)
def test_the_day_of_a_request_is_that_of_utc(at: Instant, reasons: list[tuple[str, int]]) -> None:
    asked = [request(f"r{number}", NOON, number) for number in range(50)]
    assert refused(kept(*asked), request("one more", at, 50)) == reasons


def test_of_one_id_the_first_that_was_read_counts_in_one_batch_and_over_two() -> None:
    first, same, other = request("r", NOON, 0), request("r", NOON, 1), request("r", NOON + 1, 2)
    of_another_topic = replace(enrolled(event_id="r"), record=At(3))
    assert refused(StoredHistory(), first, same, other, of_another_topic) == [("conflicting_duplicate", 2)]
    assert refused(kept(first), other, same) == [("conflicting_duplicate", 2)]


def test_a_standing_is_published_once_and_again_when_the_company_s_name_changes() -> None:
    one, watermark = One(), ENROLLED + DAY
    assert one.reads(enrolled(), watermark=watermark) == ["account_enrolled", "account_standing"]
    assert one.reads(enrolled(), watermark=watermark) == []
    assert one.reads(orders=[(ENROLLED + DAY, "o")], watermark=watermark) == []
    assert one.reads(enrolled(ENROLLED + DAY, "Acme Trading", "e1"), watermark=watermark) == ["account_standing"]


def test_an_account_is_judged_with_the_furthest_watermark_that_it_was_ever_judged_with() -> None:
    one = One()
    one.reads(enrolled(), watermark=SUSPENDED)
    assert (one.row.standing, one.row.judged_until) == ("suspended", SUSPENDED)
    for lower in (SUSPENDED - DAY, MINUS_INFINITY):
        assert one.reads(request(f"r{lower}", ENROLLED + DAY), watermark=lower)[-1] != "account_suspended_withdrawn"
        assert (one.row.standing, one.row.judged_until) == ("suspended", SUSPENDED)
    one.reads(request("later", SUSPENDED + DAY), watermark=SUSPENDED + 2 * DAY)
    assert one.row.judged_until == SUSPENDED + 2 * DAY


def test_an_account_that_was_judged_with_no_watermark_has_none() -> None:
    one = One()
    assert one.reads(enrolled(), watermark=MINUS_INFINITY) == ["account_enrolled", "account_standing"]
    assert (one.row.standing, one.row.judged_until) == ("active", None)


def test_the_watermark_is_the_least_of_what_was_read_and_compared_less_the_allowed_lateness() -> None:
    assert Progress(100, 90, 500, None).watermark(7) == 83
    assert Progress(90, 100, 500, None).watermark(7) == 83
    for nothing in (Progress(None, 90, 500, None), Progress(100, None, 500, None), Progress(100, 90, 500, "why")):
        assert nothing.watermark(7) == MINUS_INFINITY
