"""The fast path gives what a full judgement would have given, and is taken up to the last instant that allows it."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.model.story import activation, closed, enrolled, local, order
from tests.properties.arriving import Arrival
from tests.properties.checking import as_the_model_says
from tests.properties.strategies import examples, histories, policy_text, watermarks, world_of, worlds
from tests.support.rules_engine import Message, known_of
from workers.enforcement.evaluate import standing_digest
from workers.rules.difference import difference
from workers.store.records import MINUS_INFINITY

ORDERS = ("order",) * 12 + ("activation", "upheld", "closed")
DAYS = (3, 2, 1, 2)
WORLD = world_of(
    policy_text("first", "2016-03-10T00:00:00+00:00", "America/New_York", "calendar", DAYS, [1], [1], 1, 2),
    policy_text("second", "2016-03-20T00:00:00+00:00", "Europe/Berlin", "elapsed", DAYS, [1], [1], 1, 2),
)


def is_what_a_judgement_gives(engine: Arrival, account_id: str, messages: list[Message]) -> None:
    """Nothing is to be published or said of the account, and its spans are those of all its orders."""
    row = engine.rows[account_id]
    judgement = engine.judgement(account_id, MINUS_INFINITY if row.judged_until is None else row.judged_until)
    found = difference(judgement.decisions, engine.context(account_id).published)
    assert not found, found
    assert not judgement.deferred
    assert judgement.status == row.standing == "active"
    if judgement.standing is not None:
        assert row.standing_digest == standing_digest(judgement.standing)
    assert row.next_check is not None
    assert judgement.next_check is not None
    assert row.next_check <= judgement.next_check
    spans = known_of(messages, engine.policies)[account_id].orders
    assert engine.orders(account_id) == spans
    assert (row.span_start, row.last_effective_at) == (spans[-1].first.at, spans[-1].last.at)


@given(st.data())
@examples(150)
def test_an_order_that_needs_no_judgement_gives_what_a_judgement_gives(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=10, least=3, kinds=ORDERS, accounts="a"))
    if data.draw(st.booleans()):
        history.sort(key=lambda message: message[1]["occurred_at"])
    engine = Arrival(world.policies)
    read: list[Message] = []
    watermark = MINUS_INFINITY
    for message in history:
        if not data.draw(st.integers(0, 3)):
            watermark = max(watermark, data.draw(watermarks(world, history)))
            engine.wakes(watermark)
        read.append(message)
        fast = engine.fast
        engine.arrive([message], watermark)
        if engine.fast > fast:
            is_what_a_judgement_gives(engine, message[1]["account_id"], read)
    engine.wakes(max(watermark, data.draw(watermarks(world, history))))
    as_the_model_says(engine, world, read)


def fast_orders(*messages: Message, watermark: int = MINUS_INFINITY) -> int:
    """How many of these messages, one after the other, took the fast path."""
    engine = Arrival(WORLD.policies)
    for message in messages:
        engine.arrive([message], watermark)
    return engine.fast


ENROLLED = enrolled("2016-03-11 12:00", event="e")
NOON = local("2016-03-11 12:00")
# 11 March 12:00 in Shanghai is 10 March 23:00 in New York, where days of 24 hours end with the 12th: the 13th has
# 23. The 10th does not count, the third day is the 13th: its end is 14 March 04:00Z, its notice 13 March 05:00Z.
NOTICE = local("2016-03-13 13:00")


def test_the_first_order_and_the_next_take_the_fast_path_up_to_the_first_notice_and_no_further() -> None:
    assert fast_orders(ENROLLED, order(NOTICE - 1, order_id="o1")) == 1
    assert fast_orders(ENROLLED, order(NOTICE, order_id="o1")) == 0
    assert fast_orders(ENROLLED, order(NOON, order_id="o1"), order(NOTICE - 1, order_id="o2")) == 2
    assert fast_orders(ENROLLED, order(NOON, order_id="o1"), order(NOTICE, order_id="o2")) == 1


def test_an_older_an_equal_and_a_doubled_order_take_it_only_where_they_can_change_nothing() -> None:
    first, last = order(NOON, order_id="o1"), order(NOON + 2, order_id="o5")
    assert fast_orders(ENROLLED, first, last, last) == 3
    for order_id, at in (("o6", NOON + 2), ("o4", NOON + 2), ("o0", NOON), ("o0", NOON - 1)):
        assert fast_orders(ENROLLED, first, last, order(at, order_id=order_id)) == 2
        assert judged(ENROLLED, first, last, order(at, order_id=order_id))
    assert not judged(ENROLLED, first, last, last)
    assert not judged(ENROLLED, first, last, order(NOON + 1, order_id="o9"))


def judged(*messages: Message) -> bool:
    """Whether the last of these messages is judged."""
    engine = Arrival(WORLD.policies)
    for message in messages[:-1]:
        engine.arrive([message], MINUS_INFINITY)
    engine.arrive([messages[-1]], NOON)
    return engine.rows[messages[-1][1]["account_id"]].judged_until == NOON


def test_an_order_under_the_next_policy_is_judged_however_soon_it_comes() -> None:
    start = local("2016-03-20 08:00")
    before = enrolled(start - 10, event="e"), order(start - 2, order_id="o1")
    assert fast_orders(*before, order(start - 1, order_id="o2")) == 2
    assert fast_orders(*before, order(start, order_id="o2")) == 1


def test_a_batch_of_orders_takes_it_only_where_each_of_them_may() -> None:
    engine = Arrival(WORLD.policies)
    late, first, last = (order(at, order_id=f"o{at}") for at in (NOON, NOON + 10, NOON + 20))
    for batch in ([ENROLLED], [first], [late, last]):
        engine.arrive(batch, MINUS_INFINITY)
    assert engine.fast == 1
    assert engine.orders("a") == known_of([late, first, last], WORLD.policies)["a"].orders


def test_an_order_inside_a_deadline_of_which_something_was_decided_is_judged_and_takes_it_back() -> None:
    read = [ENROLLED, order(NOON, order_id="o1"), order(NOTICE - 1, order_id="o2")]
    engine = Arrival(WORLD.policies)
    engine.arrive(read[:2], MINUS_INFINITY)
    engine.wakes(NOTICE)
    assert [each.kind for each in engine.net()] == ["account_enrolled", "suspension_notice"]
    engine.arrive(read[2:], NOTICE)
    assert [each.kind for each in engine.net()] == ["account_enrolled"]
    as_the_model_says(engine, WORLD, read)


def test_an_account_that_waits_is_closed_or_was_noticed_is_judged() -> None:
    later = order(NOTICE + 1, order_id="o2")
    assert fast_orders(ENROLLED, order(NOTICE, order_id="o1"), later) == 0
    assert fast_orders(ENROLLED, closed("2016-03-11 13:00", event="c"), order("2016-03-11 14:00")) == 0
    assert fast_orders(ENROLLED, activation(NOON), order(NOON + 1)) == 0
    assert fast_orders(ENROLLED, order(NOON, order_id="o1"), later, watermark=NOTICE) == 0


def test_a_first_order_withdraws_a_notice_that_is_the_only_decision_since_an_enrolment_before_the_policies() -> None:
    # The clock starts with the first policy: 10 March 00:00Z is the 9th in New York. The third day is the 12th, its
    # end 13 March 05:00Z (the clocks change later that day), the notice 12 March 05:00Z.
    notice = local("2016-03-12 13:00")
    before = enrolled("2016-03-01", event="e")
    for at, kinds in ((notice - 1, []), (notice, ["suspension_notice"])):
        engine = Arrival(WORLD.policies)
        engine.arrive([before], notice)
        assert [each.kind for each in engine.net()] == ["suspension_notice"]
        engine.arrive([order(at, order_id="o1")], notice)
        assert [each.kind for each in engine.net()] == kinds
        as_the_model_says(engine, WORLD, [before, order(at, order_id="o1")])
