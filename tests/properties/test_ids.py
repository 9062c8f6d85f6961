"""Ids may hold spaces: those of two decisions are never the same, whatever ids the facts behind them have."""

from itertools import permutations

from tests.model.story import case, enrolled
from tests.properties.arriving import Arrival
from tests.properties.checking import as_the_model_says
from tests.properties.strategies import FAR, policy_text, world_of

WORLD = world_of(
    policy_text("p", "2016-02-01T00:00:00+08:00", "Asia/Shanghai", "calendar", (180, 15, 30, 90), [30], [3], 2, 90)
)


def test_two_cases_whose_joined_ids_are_equal_have_different_decision_ids() -> None:
    facts = [
        enrolled("2016-03-01", "z"),
        enrolled("2016-03-01", "y z"),
        case("2016-04-01", account="z", event_id="x y"),
        case("2016-04-01", account="y z", event_id="x"),
        enrolled("2016-04-02", "newcomer", event="e"),
        case("2016-04-03", account="z", outcome="reversed", event_id="r y"),
        case("2016-04-03", account="y z", outcome="reversed", event_id="r"),
    ]
    for arriving in permutations(facts[2:]):
        engine = Arrival(WORLD.policies)
        for message in [*facts[:2], *arriving]:
            engine.arrive([message], FAR)
        as_the_model_says(engine, WORLD, facts)
        assert len({each.id for each in engine.net()}) == len(engine.net())
