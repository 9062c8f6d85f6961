"""An account at an instant, as `explain --at` shows it, is what the facts up to then alone make of it."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from tests.properties.alphabet import MANY_ORDERS
from tests.properties.strategies import FAR, examples, histories, watermarks, worlds
from tests.support.rules_engine import known_of, terminations_of
from workers.commands.explain import Explanation
from workers.rules.judge import judge


@given(st.data())
@examples(100)
def test_no_fact_after_the_instant_changes_its_explanation(data: DataObject) -> None:
    world = data.draw(worlds())
    history = data.draw(histories(world, most=12, least=3, kinds=MANY_ORDERS, accounts="ab"))
    at = data.draw(watermarks(world, history) | st.sampled_from([content["occurred_at"] for _, content in history]))
    until = data.draw(st.sampled_from([FAR, at]) | watermarks(world, history))
    every = known_of(history, world.policies)
    before = [each for each in history if each[1]["occurred_at"] <= at]
    known = known_of(before, world.policies, compressed=False)
    all_terminations, terminations = terminations_of(every, world.policies), terminations_of(known, world.policies)
    for account_id, account in every.items():
        shown = Explanation(
            account_id,
            judge(account_id, account.history(), all_terminations, world.policies, until, at),
            account.history(),
            [],
            quarantined=None,
            unreadable=None,
            at=at,
            judged_until=min(until, at),
        )
        if account_id not in known:
            assert (shown.judgement.status, shown.judgement.decisions) == ("not_enrolled", ())
            continue
        true = known[account_id].judged(account_id, terminations, world.policies, min(until, at))
        assert shown.judgement.decisions == true.decisions
        assert (shown.judgement.status, shown.judgement.deferred) == (true.status, true.deferred)
        deadline = None if true.standing is None else true.standing.deadline
        assert (shown.judgement.standing is None) == (true.standing is None)
        if shown.judgement.standing is not None and true.standing is not None:
            assert shown.judgement.standing.compared == true.standing.compared
        if shown.deadline_not_before is None:
            assert shown.deadline == deadline
        else:
            assert shown.deadline is None
            assert deadline is not None
            assert at <= shown.deadline_not_before <= deadline
