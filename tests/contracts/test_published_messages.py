"""What the engine publishes is what the models of the output topics say: every kind, field by field."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.catalogue import MESSAGES, messages_of
from contracts.cloudevents import Headers
from contracts.generate import SCHEMAS
from contracts.kinds import DECISIONS
from contracts.topics import Topic
from tests.rules.story import Story, policy
from workers.codec.messages import (
    Message,
    dead_letter_message,
    decision_message,
    headers,
    standing_message,
    withdrawal_message,
)
from workers.rules.company import company_decisions
from workers.rules.decisions import Because, Decision, decision_id
from workers.rules.difference import Published
from workers.rules.policy import PolicyStamp

RECORDED = "2016-12-01T04:00:00.250000Z"
POLICY = policy(stamp=PolicyStamp("2016-02", "0" * 64))
ALLOWED = {topic.value: messages_of(topic) for topic in Topic}


@dataclass
class Record:
    """A record as it was read."""

    value: bytes | None
    key: bytes | None = b"a"
    topic: str = "complaints"
    partition: int = 3
    offset: int = 40871
    timestamp: int = 1470067200123
    headers: list[tuple[str, bytes]] = field(default_factory=lambda: [("traceparent", b"\xff")])


def story() -> Story:
    return Story(policies=(POLICY,)).enrolled("2016-02-10 10:00")


def stories() -> list[Story]:
    late = {"category": "late_shipment"}
    return [
        Story(policies=(POLICY,)).asks("2016-03-01 10:00").reapplies("2016-03-01 11:00"),
        story()
        .asks("2016-03-01 10:00")
        .asks("2016-08-20 10:00")
        .asks("2016-08-21 10:00")
        .asks("2016-09-20 10:00")
        .paid("2016-10-12 10:00")
        .closed("2016-12-01 10:00")
        .enrolled("2016-12-02 10:00"),
        story()
        .case("2016-03-01 10:00")
        .asks("2016-04-01 10:00")
        .reapplies("2016-04-01 10:00")
        .reapplies("2016-07-01 10:00"),
        story().case("2016-03-01 10:00").case("2016-03-20 10:00", outcome="reversed").reapplies("2016-03-21 10:00"),
        story().case("2016-03-01 10:00", **late),
        story().case("2016-03-01 10:00"),
        story().closed("2016-03-01 10:00"),
        story().asks("2016-08-20 10:00"),
    ]


def decided() -> list[tuple[Decision, bool]]:
    accounts = [(each, False) for one in stories() for each in one.judged().decisions]
    companies = [(each, True) for one in stories() for each in company_decisions("id:acme", one.terminations())]
    return accounts + companies


def withdrawn(decision: Decision, of_company: bool) -> Message:
    company = {"key": decision.subject, "name": "Acme"} if of_company else None
    published = Published(decision.id, decision.kind, decision.effective_at, 7, decision.content)
    return withdrawal_message(
        published, decision.subject, 8, RECORDED, Because.of(decision.evidence), company=company, traceparent=None
    )


def said() -> list[Message]:
    standings = [
        one.judged(until).standing
        for one in stories()
        for until in ("2016-03-02 00:00", "2016-08-21 00:00", "2017-09-01 00:00")
    ]
    return [standing_message("a", each, 4, RECORDED, None) for each in standings if each is not None]


def check(messages: Iterable[Message]) -> set[str]:
    """Check every message against its model and topic; the kinds that were among them."""
    kinds = set()
    for message in messages:
        assert message.kind in ALLOWED[message.topic]
        TypeAdapter(MESSAGES[message.kind]).validate_json(message.value)
        kinds.add(message.kind)
    return kinds


def test_every_kind_of_decision_matches_its_model() -> None:
    messages = [
        decision_message(each, 7, RECORDED, of_company=of_company, traceparent=None) for each, of_company in decided()
    ]
    assert check(messages) == {name for name in MESSAGES if f"{name}_withdrawn" in MESSAGES}
    assert len(DECISIONS) == len({message.kind for message in messages})


def test_every_kind_of_withdrawal_matches_its_model() -> None:
    kinds = check(withdrawn(each, of_company) for each, of_company in decided())
    assert kinds == {name for name in MESSAGES if name.endswith("_withdrawn")}


def test_the_standing_of_an_account_matches_its_model() -> None:
    messages = said()
    assert check(messages) == {"account_standing"}
    standings = {json.loads(message.value)["standing"] for message in messages}
    assert standings == {"active", "suspended", "temporarily_active", "terminated", "closed"}


@pytest.mark.parametrize(
    "value", [None, b"", b'{"event_id": ', b"\xff" * 70_000], ids=["null", "empty", "cut", "large"]
)
def test_a_dead_letter_matches_its_model(value: bytes | None) -> None:
    for key in (None, b"", b"\xff"):
        message = dead_letter_message(Record(value, key), "complaints", "invalid_json", "cut off", RECORDED)
        assert check([message]) == {"dead_letter"}


def test_the_headers_of_every_message_are_those_of_the_contract_and_name_its_schema() -> None:
    incarnation = UUID(int=1)
    letter = dead_letter_message(Record(b""), "complaints", "invalid_json", "cut off", RECORDED)
    messages = [withdrawn(each, of_company) for each, of_company in decided()] + said() + [letter]
    for seq, message in enumerate(messages):
        traced = message._replace(traceparent=f"00-{'4b' * 16}-{'00f0' * 4}-01")
        found = dict(json.loads(headers(traced, incarnation, 3, seq, RECORDED)))
        assert Headers.model_validate(found).ce_type == f"standing.{message.kind}.v1"
        schema = json.loads((SCHEMAS / "messages" / f"{message.kind}.json").read_bytes())
        assert found["ce_dataschema"] == schema["$id"]


def test_a_decision_id_is_the_uuid_of_the_contract() -> None:
    # Reckoned by hand from the contract's formula, with the instant written out.
    namespace = uuid5(NAMESPACE_URL, "urn:standing:decisions")
    expected = uuid5(namespace, "seller-1\naccount_suspended\n2016-08-01T16:00:00.000000Z\n")
    assert decision_id("seller-1", "account_suspended", 1_470_067_200_000_000, "") == str(expected)


def test_a_field_that_the_contract_does_not_have_is_noticed() -> None:
    (decision, of_company) = decided()[0]
    message = decision_message(decision, 7, RECORDED, of_company=of_company, traceparent=None)
    value = json.loads(message.value) | {"colour": "red"}
    with pytest.raises(ValidationError):
        check([message._replace(value=json.dumps(value).encode())])
