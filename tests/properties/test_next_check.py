"""`next_check` is never late, and no deadline beyond the watermark is enforced."""

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from contracts.kinds import DEADLINE_KINDS
from tests.model.naive import walk
from tests.properties.arriving import Arrival
from tests.properties.comparing import in_order, of_message, of_model
from tests.properties.strategies import FAR, examples, histories, instants_of, watermarks, worlds
from tests.support.rules_engine import from_scratch

MOSTLY_ORDERS = ("order", "order", "order", "activation", "upheld", "closed", "enrolled")


@given(st.data())
@examples(60)
def test_no_watermark_before_next_check_changes_decisions_or_standing(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    watermark = data.draw(watermarks(world, history))
    judgements = from_scratch(history, world.policies, watermark)[1]
    for later in [at + by for at in [*instants_of(world, history), FAR] for by in (-1, 0)]:
        if later < watermark:
            continue
        for account_id, then in from_scratch(history, world.policies, later)[1].items():
            now = judgements[account_id]
            if now.next_check is None or later < now.next_check:
                assert (then.decisions, then.status, then.deferred) == (now.decisions, now.status, now.deferred)
                assert then.standing == now.standing


@given(st.data())
@examples(60)
def test_at_next_check_itself_deadline_decides_unless_a_policy_begins_there(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    watermark = data.draw(watermarks(world, history))
    begins = {policy.effective_from for policy in world.model}
    for account_id, now in from_scratch(history, world.policies, watermark)[1].items():
        if now.next_check is None:
            continue
        assert now.next_check > watermark
        then = from_scratch(history, world.policies, now.next_check)[1][account_id]
        if now.next_check not in begins:
            assert then.decisions[: len(now.decisions)] == now.decisions
            assert then.decisions[len(now.decisions)].kind in DEADLINE_KINDS
            assert then.decisions[len(now.decisions)].effective_at == now.next_check


@given(st.data())
@examples(80)
def test_however_lazily_it_was_kept_nothing_overdue_is_left_undecided(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=10, least=3, kinds=MOSTLY_ORDERS, accounts="ab"))
    if data.draw(st.booleans()):
        history.sort(key=lambda message: message[1]["occurred_at"])
    engine = Arrival(world.policies)
    for number, message in enumerate(history):
        watermark = max(engine.watermark, data.draw(watermarks(world, history))) if number % 2 else engine.watermark
        engine.arrive([message], watermark)
        for account_id, row in engine.rows.items():
            if row.next_check is None or row.next_check > engine.watermark:
                assert row.deferred == engine.judgement(account_id, engine.watermark).deferred
                published = engine.published.get(account_id, {}).keys()
                assert {each.id for each in engine.judgement(account_id, engine.watermark).decisions} == published
    engine.wakes(FAR)
    expected = walk(history, world.model, FAR)
    assert in_order(of_message(each.value) for each in engine.net()) == in_order(map(of_model, expected.decisions))


@given(st.data())
@examples(80)
def test_nothing_is_decided_on_a_deadline_beyond_the_watermark_nor_behind_it(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    watermark = data.draw(watermarks(world, history))
    assume(watermark < FAR)
    everything = from_scratch(history, world.policies, FAR)[1]
    for account_id, judgement in from_scratch(history, world.policies, watermark)[1].items():
        decided = judgement.decisions
        assert all(each.effective_at <= watermark for each in decided if each.kind in DEADLINE_KINDS)
        whole = everything[account_id].decisions
        assert whole[: len(decided)] == decided
        undecided = [
            each.effective_at for each in whole if each.kind in DEADLINE_KINDS and each.effective_at > watermark
        ]
        if undecided:
            assert all(each.effective_at < undecided[0] for each in decided)
