"""What a subscriber reads: withdrawals name decisions in force, newest first, and no decision is in force twice."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.properties.arriving import Arrival
from tests.properties.strategies import World, examples, histories, watermarks, worlds
from tests.support.rules_engine import Message


def played(data: DataObject, world: World, history: list[Message]) -> Arrival:
    """The history in any order and partly doubled, the watermark anywhere between two messages."""
    engine = Arrival(world.policies)
    for message in data.draw(st.permutations(history + history[:3])):
        watermark = data.draw(watermarks(world, history)) if data.draw(st.booleans()) else engine.watermark
        engine.arrive([message], watermark)
        if data.draw(st.booleans()):
            engine.wakes(engine.watermark)
    return engine


@given(st.data())
@examples(120)
def test_a_withdrawal_names_a_decision_that_stands_and_none_is_withdrawn_twice(data: DataObject) -> None:
    world = data.draw(worlds())
    engine = played(data, world, data.draw(histories(world, least=2)))
    standing: dict[str, list[str]] = {}
    for said in engine.log:
        of_subject = standing.setdefault(said.subject, [])
        if said.withdrawn:
            assert said.decision_id in of_subject, "a withdrawal of what does not stand"
            of_subject.remove(said.decision_id)
        else:
            assert said.decision_id not in of_subject, "published again while it stands"
            of_subject.append(said.decision_id)
    net = {subject: sorted(of_one) for subject, of_one in engine.published.items() if of_one}
    assert {subject: sorted(ids) for subject, ids in standing.items() if ids} == net


@given(st.data())
@examples(120)
def test_what_is_withdrawn_together_is_withdrawn_newest_first_before_anything_is_published(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, least=2))
    engine = Arrival(world.policies)
    for message in data.draw(st.permutations(history)):
        watermark = max(engine.watermark, data.draw(watermarks(world, history)))
        before = {subject: dict(of_one) for subject, of_one in engine.published.items()}
        length = len(engine.log)
        engine.arrive([message], watermark)
        for subject in {said.subject for said in engine.log[length:]}:
            now = [said for said in engine.log[length:] if said.subject == subject]
            withdrawn = [said.decision_id for said in now if said.withdrawn]
            assert [said.withdrawn for said in now] == [True] * len(withdrawn) + [False] * (len(now) - len(withdrawn))
            sequences = [before[subject][decision_id].sequence for decision_id in withdrawn]
            assert sequences == sorted(sequences, reverse=True)


@given(st.data())
@examples(60)
def test_a_history_with_every_fact_twice_publishes_nothing_twice(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    engine = played(data, world, history)
    engine.wakes(engine.watermark)
    said = len(engine.log)
    for message in data.draw(st.permutations(history)):
        engine.arrive([message], engine.watermark)
    engine.wakes(engine.watermark)
    assert len(engine.log) == said
