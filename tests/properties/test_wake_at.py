"""`wake_at` is never late, and silence decides nothing that the horizon does not cover."""

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.model.naive import walk
from tests.properties.arriving import Arrival
from tests.properties.comparing import SILENCE, in_order, of_engine, of_model
from tests.properties.rules_engine import from_scratch
from tests.properties.strategies import FAR, examples, histories, horizons, instants_of, worlds

MOSTLY_ORDERS = ("order", "order", "order", "activation", "upheld", "closed", "enrolled")


@given(st.data())
@examples(60)
def test_no_horizon_before_wake_at_decides_or_says_anything_new(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    horizon = data.draw(horizons(world, history))
    judgements = from_scratch(history, world.policies, horizon)[1]
    for later in [at + by for at in [*instants_of(world, history), FAR] for by in (-1, 0)]:
        if later < horizon:
            continue
        for account_id, then in from_scratch(history, world.policies, later)[1].items():
            now = judgements[account_id]
            if now.wake_at is None or later < now.wake_at:
                assert (then.decisions, then.status, then.waits) == (now.decisions, now.status, now.waits)
                assert then.standing == now.standing


@given(st.data())
@examples(60)
def test_at_wake_at_itself_silence_decides_unless_a_policy_begins_there(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    horizon = data.draw(horizons(world, history))
    begins = {policy.effective_from for policy in world.model}
    for account_id, now in from_scratch(history, world.policies, horizon)[1].items():
        if now.wake_at is None:
            continue
        assert now.wake_at > horizon
        then = from_scratch(history, world.policies, now.wake_at)[1][account_id]
        if now.wake_at not in begins:
            assert then.decisions[: len(now.decisions)] == now.decisions
            assert then.decisions[len(now.decisions)].kind in SILENCE
            assert then.decisions[len(now.decisions)].effective_at == now.wake_at


@given(st.data())
@examples(80)
def test_however_lazily_it_was_kept_nothing_overdue_is_left_undecided(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=10, least=3, kinds=MOSTLY_ORDERS, accounts="ab"))
    if data.draw(st.booleans()):
        history.sort(key=lambda message: message[1]["occurred_at"])
    engine = Arrival(world.policies)
    for number, message in enumerate(history):
        horizon = max(engine.horizon, data.draw(horizons(world, history))) if number % 2 else engine.horizon
        engine.arrive([message], horizon)
        for account_id, row in engine.rows.items():
            if row.wake_at is None or row.wake_at > engine.horizon:
                assert row.waits == engine.judgement(account_id, engine.horizon).waits
                published = {each.decision.id for each in engine.published[account_id].values()}
                assert {each.id for each in engine.judgement(account_id, engine.horizon).decisions} == published
    engine.wakes(FAR)
    expected = walk(history, world.model, FAR)
    assert in_order(map(of_engine, engine.net())) == in_order(map(of_model, expected.decisions))


@given(st.data())
@examples(80)
def test_nothing_is_decided_on_a_silence_beyond_the_horizon_nor_behind_it(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world))
    horizon = data.draw(horizons(world, history))
    assume(horizon < FAR)
    everything = from_scratch(history, world.policies, FAR)[1]
    for account_id, judgement in from_scratch(history, world.policies, horizon)[1].items():
        decided = judgement.decisions
        assert all(each.effective_at <= horizon for each in decided if each.kind in SILENCE)
        whole = everything[account_id].decisions
        assert whole[: len(decided)] == decided
        undecided = [each.effective_at for each in whole if each.kind in SILENCE and each.effective_at > horizon]
        if undecided:
            assert all(each.effective_at < undecided[0] for each in decided)
