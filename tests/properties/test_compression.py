"""Orders kept as spans say all that matters of them: judged with spans or with every order, it comes to the same."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.properties.alphabet import MANY_ORDERS
from tests.properties.strategies import World, examples, histories, watermarks, worlds
from tests.support.rules_engine import Message, from_scratch, known_of
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.rules.history import add_orders


def effective_orders(history: list[Message], world: World) -> list[EffectiveOrder]:
    """Every effective order of one account's history."""
    known = known_of(history, world.policies, compressed=False)
    return [span.first for account in known.values() for span in account.orders]


@given(st.data())
@examples(100)
def test_the_judgement_of_spans_is_that_of_every_order(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=12, least=3, kinds=MANY_ORDERS, accounts="ab"))
    watermark = data.draw(watermarks(world, history))
    compressed = from_scratch(history, world.policies, watermark)
    assert compressed == from_scratch(history, world.policies, watermark, compressed=False)


@given(st.data())
@examples(100)
def test_spans_are_the_same_in_any_order_of_processing(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=12, least=2, kinds=("order",), accounts="a"))
    orders = [
        span.first
        for account in known_of(history, world.policies, compressed=False).values()
        for span in account.orders
    ]
    at_once = add_orders((), orders, world.policies)
    one_by_one: tuple[OrderSpan, ...] = ()
    for each in data.draw(st.permutations(orders * 2)):
        one_by_one = add_orders(one_by_one, [each], world.policies)
    assert one_by_one == at_once


@given(st.data())
@examples(60)
def test_each_end_of_a_span_is_an_order_and_each_order_lies_in_one_span(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=12, least=2, kinds=("order",), accounts="a"))
    orders = {
        span.first
        for account in known_of(history, world.policies, compressed=False).values()
        for span in account.orders
    }
    spans = add_orders((), orders, world.policies)
    assert {end for span in spans for end in (span.first, span.last)} <= orders
    for each in orders:
        assert sum(span.first.at <= each.at <= span.last.at for span in spans) == 1
