"""Suspension stays with its account, whatever others do; termination reaches every account of the company."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from contracts.fields import instant
from tests.properties.arriving import Arrival, InForce
from tests.properties.strategies import FAR, examples, histories, watermarks, worlds
from tests.support.rules_engine import Message, from_scratch
from workers.rules.calendar import Instant

COMPANIES = ("upheld", "case", "case", "enrolled", "order", "activation", "reapplication", "closed")


def case_of(decision: InForce) -> tuple[object, ...]:
    """The case that a termination names."""
    return tuple(decision.value[name] for name in ("root_account_id", "case_id", "case_event_id", "source"))


def members(history: Iterable[Message], company: str, at: Instant) -> set[str]:
    """The accounts that by the registry alone belong to the company right after that instant's registry facts."""
    found: dict[str, str | None] = {}
    registry = (content for topic, content in history if topic == "seller-accounts" and content["occurred_at"] <= at)
    for content in sorted(registry, key=lambda content: (content["occurred_at"], content["event_id"])):
        enrolled = content["status"] == "enrolled"
        found[content["account_id"]] = f"id:{content['company_id']}" if enrolled else None
    return {account_id for account_id, key in found.items() if key == company}


@given(st.data())
@examples(100)
def test_orders_and_requests_of_others_change_nothing_of_an_account(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=10, least=3, kinds=COMPANIES))
    watermark = data.draw(watermarks(world, history))
    whole = from_scratch(history, world.policies, watermark)[1]
    for account_id, judgement in whole.items():
        own = [
            (topic, content)
            for topic, content in history
            if content["account_id"] == account_id or topic in ("seller-accounts", "complaints")
        ]
        assert from_scratch(own, world.policies, watermark)[1][account_id] == judgement


@given(st.data())
@examples(60)
def test_without_cases_an_account_is_judged_as_if_it_were_alone(data: DataObject) -> None:
    world = data.draw(worlds())
    kinds = ("order", "activation", "enrolled", "closed", "reapplication")
    history = data.draw(histories(world, most=10, least=3, kinds=kinds))
    watermark = data.draw(watermarks(world, history))
    for account_id, judgement in from_scratch(history, world.policies, watermark)[1].items():
        own = [message for message in history if message[1]["account_id"] == account_id]
        assert from_scratch(own, world.policies, watermark)[1] == {account_id: judgement}


@given(st.data())
@examples(100)
def test_a_termination_reaches_every_account_of_the_company_and_no_other(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=10, least=3, kinds=COMPANIES))
    engine = Arrival(world.policies)
    for message in data.draw(st.permutations(history)):
        engine.arrive([message], data.draw(watermarks(world, history)))
    engine.wakes(FAR)
    net = engine.net()
    companies = [each for each in net if each.kind == "company_terminated"]
    for company in companies:
        hit = {
            each.subject
            for each in net
            if each.kind == "account_terminated"
            and each.value["clause"] == "T2"
            and each.effective_at == company.effective_at
            and case_of(each) == case_of(company)
        }
        assert hit == members(history, company.subject, instant(company.effective_at))
    for one in [each for each in net if each.kind == "account_terminated"]:
        assert case_of(one) in map(case_of, companies)
