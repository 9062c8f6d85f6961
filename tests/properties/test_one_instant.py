"""At one instant, whatever came late: the decisions in force are in the rulebook's order, and the last one gives the
standing.
"""

from itertools import permutations

import pytest

from tests.model.naive import walk
from tests.model.story import case, closed, enrolled, order
from tests.properties.arriving import Arrival
from tests.properties.checking import as_the_model_says
from tests.properties.strategies import FAR, policy_text, world_of
from tests.support.rules_engine import Message
from workers.store.records import MINUS_INFINITY

WORLD = world_of(
    policy_text("p", "2016-02-01T00:00:00+08:00", "Asia/Shanghai", "calendar", (180, 15, 30, 90), [30], [3], 2, 90)
)
DEADLINE = "2016-08-29"


def in_force(engine: Arrival, subject: str) -> list[str]:
    """The kinds of the decisions in force of an account or company, as a subscriber sorts them."""
    stands = sorted(engine.published[subject].values(), key=lambda each: (each.effective_at, each.sequence))
    return [each.kind for each in stands]


def test_a_suspension_published_again_stands_before_the_restoration_at_its_instant() -> None:
    engine = Arrival(WORLD.policies)
    read = [enrolled("2016-03-01 10:00"), order(DEADLINE, order_id="o1"), order("2016-03-01 12:00", order_id="o2")]
    for message in read:
        engine.arrive([message], MINUS_INFINITY)
        engine.wakes(order(DEADLINE)[1]["occurred_at"])
    kinds = ["account_enrolled", "suspension_notice", "account_suspended", "account_restored"]
    assert in_force(engine, "a") == kinds
    assert engine.standings["a"]["standing"] == "active"
    as_the_model_says(engine, WORLD, read)


CROWDED: tuple[Message, ...] = (
    enrolled("2016-03-01 10:00", company="c", event="e1"),
    enrolled(DEADLINE, company="d", event="e2"),
    case(DEADLINE, case_id="k1", event_id="k1"),
    case(DEADLINE, "reversed", case_id="k1", event_id="k2"),
    order(DEADLINE, order_id="o1"),
    order("2016-03-01 12:00", order_id="o2"),
)


@pytest.mark.parametrize("ahead", [False, True], ids=["in time", "all late"])
def test_of_an_account_and_of_its_company_in_every_order_of_arrival(ahead: bool) -> None:
    for arriving in permutations(CROWDED[1:]):
        engine = Arrival(WORLD.policies)
        for message in (CROWDED[0], *arriving):
            engine.arrive([message], FAR if ahead else MINUS_INFINITY)
        engine.wakes(FAR)
        as_the_model_says(engine, WORLD, list(CROWDED))
    assert in_force(engine, "id:d") == ["company_terminated", "company_termination_reversed"]


def test_of_two_cases_against_a_terminated_company_where_the_first_comes_late() -> None:
    engine = Arrival(WORLD.policies)
    read = [
        enrolled("2016-03-01 10:00", "a"),
        enrolled("2016-03-01 10:00", "b"),
        case("2016-03-20", account="a", case_id="k0", event_id="k0"),
        case("2016-04-01", account="b", event_id="k2"),
        case("2016-04-01", account="a", event_id="k1"),
    ]
    for message in read:
        engine.arrive([message], FAR)
    as_the_model_says(engine, WORLD, read)
    roots = [each.value["root_account_id"] for each in engine.published["id:c"].values()]
    assert roots == ["a", "a", "b"]


def test_a_published_standing_is_corrected_when_the_account_enrolled_before_the_policies() -> None:
    engine = Arrival(WORLD.policies)
    read = [
        enrolled("2016-11-01 10:00", event="e2"),
        case("2016-12-01 10:00"),
        enrolled("2016-01-10 10:00", event="e1"),
    ]
    for message in read[:2]:
        engine.arrive([message], MINUS_INFINITY)
    assert engine.standings["a"]["standing"] == "terminated"
    engine.arrive(read[2:], MINUS_INFINITY)  # what came after its first deadline waits for that
    assert [each.kind for each in engine.net()] == ["company_terminated"]
    assert (
        engine.standings["a"]["standing"]
        == walk(read, WORLD.model, MINUS_INFINITY).accounts["a"].standing
        == "active"
    )
    assert engine.breaks_the_rule("a") is None


def test_an_account_that_closed_before_the_policies_has_a_standing_and_no_decision() -> None:
    engine = Arrival(WORLD.policies)
    engine.arrive([enrolled("2016-01-10 10:00", event="e1"), closed("2016-01-11 10:00", event="e2")], FAR)
    assert engine.standings["a"]["standing"] == "closed"
    assert engine.net() == []
    assert engine.breaks_the_rule("a") is None
