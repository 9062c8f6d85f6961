"""Late, early, twice, in any batches: the result is that of all facts once and in order."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.model.naive import walk
from tests.properties.arriving import Arrival
from tests.properties.checking import as_the_model_says
from tests.properties.comparing import in_order, of_engine, of_model
from tests.properties.strategies import KINDS, World, examples, histories, watermarks, worlds
from tests.support.rules_engine import Message, from_scratch
from workers.rules.calendar import Instant


def rising(data: DataObject, world: World, history: list[Message], number: int) -> list[Instant]:
    """Watermarks that never go back."""
    return sorted(data.draw(st.lists(watermarks(world, history), min_size=number, max_size=number)))


@given(st.data())
@examples(60)
def test_any_history_at_any_watermark_is_judged_as_in_the_model(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    watermark = data.draw(watermarks(world, history))
    decisions, judgements = from_scratch(history, world.policies, watermark)
    expected = walk(history, world.model, watermark)
    assert in_order(map(of_engine, decisions)) == in_order(map(of_model, expected.decisions))
    for account_id, judgement in judgements.items():
        account = expected.accounts[account_id]
        assert judgement.status == account.standing
        if judgement.standing is not None:
            assert judgement.standing.since == account.since
            until = account.deadline or account.locked_out_until or account.reapply_from
            assert judgement.standing.deadline == until


@given(st.data())
@examples(30)
def test_a_small_history_in_every_order_and_with_every_fact_twice_ends_the_same(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=4, least=2))
    steps = rising(data, world, history, len(history))
    for ordered in permutations(history):
        engine = Arrival(world.policies)
        for message, watermark in zip(ordered, steps, strict=True):
            engine.arrive([message], watermark)
            engine.wakes(watermark)
        as_the_model_says(engine, world, history)
    doubled = data.draw(st.permutations(history * 2))
    engine = Arrival(world.policies)
    for message, watermark in zip(doubled, sorted(steps * 2), strict=True):
        engine.arrive([message], watermark)
    engine.wakes(steps[-1])
    as_the_model_says(engine, world, history)


@given(st.data())
@examples(60)
def test_after_every_message_the_state_is_the_models_over_what_was_read(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(st.permutations(data.draw(histories(world))))
    engine = Arrival(world.policies)
    for number, watermark in enumerate(rising(data, world, history, len(history))):
        engine.arrive([history[number]], watermark)
        engine.wakes(watermark)
        as_the_model_says(engine, world, history[: number + 1])


@given(st.data())
@examples(60)
def test_where_batches_begin_and_end_changes_nothing(data: DataObject) -> None:
    world = data.draw(worlds())
    kinds = data.draw(st.sampled_from([KINDS, ("order",)]))
    history = data.draw(st.permutations(data.draw(histories(world, least=3, kinds=kinds, accounts="ab"))))
    together, apart, cut = Arrival(world.policies), Arrival(world.policies), Arrival(world.policies)
    end = data.draw(watermarks(world, history))
    early = min(end, data.draw(watermarks(world, history)))
    together.arrive(history, early)
    rest = list(history)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        cut.arrive(rest[:size], early)
        rest = rest[size:]
    for message in history:
        apart.arrive([message], early)
    for engine in (together, apart, cut):
        engine.wakes(end)
        as_the_model_says(engine, world, history)
    assert together.rows.keys() == apart.rows.keys() == cut.rows.keys()
    for account_id in together.rows:
        assert together.orders(account_id) == apart.orders(account_id) == cut.orders(account_id)
