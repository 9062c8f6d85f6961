"""An account whose judgement raises is held: its facts are kept, its neighbours go on, and it can come back."""

import pytest

from tests.model.story import activation, case, enrolled, local, order
from tests.support.database_deployment import DatabaseDeployment, break_for
from tests.support.rules_engine import Message
from workers.enforcement import companies, evaluate


async def states(deployment: DatabaseDeployment) -> dict[str, tuple[str, bool]]:
    rows = await deployment.pool.fetch("select account_id, standing, quarantined is not null as held from accounts")
    return {each["account_id"]: (each["standing"], each["held"]) for each in rows}


async def test_the_account_is_quarantined_its_facts_are_stored_and_its_neighbours_are_decided(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "b")
        done = await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in "abc"))
        assert set(done.quarantined) == {"b"}
        assert await states(deployment) == {
            "a": ("active", False), "b": ("not_enrolled", True), "c": ("active", False),
        }  # fmt: skip
        await deployment.reads(order("2016-03-05", "b", "o1"))
        await deployment.reaches(local("2016-08-01"))
    assert await deployment.pool.fetchval("select count(*) from facts where account_id = 'b'") == 1
    await deployment.reads(order("2016-06-05", "b", "o2"))  # the rules were corrected: any fact evaluates it again
    await deployment.reaches(local("2016-08-01"))
    await deployment.check(local("2016-08-01"))
    assert (await states(deployment))["b"] == ("active", False)


async def test_timers_skip_a_quarantined_account_and_continue_with_the_others(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in "abc"))
    await deployment.move_watermark(local("2016-12-01"))
    break_for(monkeypatch, evaluate, "judge", "b")
    assert (await deployment.enforcement.process_due(10)).quarantined.keys() == {"b"}
    assert (await deployment.enforcement.process_due(10)).accounts == 0
    assert await states(deployment) == {
        "a": ("suspended", False), "b": ("active", True), "c": ("suspended", False),
    }  # fmt: skip


@pytest.mark.parametrize(
    "fact",
    [
        case("2016-03-20", "opened", "a", "other"),
        order("2016-03-20", "a", "o2"),
        activation("2016-03-20", "a", "r1"),
        enrolled("2016-03-20", "a", "c", "e-again"),
    ],
    ids=["case", "order", "request", "registry"],
)
async def test_a_case_that_cannot_be_judged_terminates_no_account_until_the_next_fact_of_its_account(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, fact: Message
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in "ab"))
    upheld = case("2016-04-01", account="a", category="refusal_of_trade_assurance")
    with monkeypatch.context() as broken:
        break_for(broken, companies, "case_effects", "a")
        done = await deployment.reads(upheld, order("2016-04-02", "b", "o1"), order("2016-04-01", "b", "o0"))
        assert set(done.quarantined) == {"a"}
        await deployment.fanouts()
    assert await states(deployment) == {"a": ("active", True), "b": ("active", False)}
    assert await deployment.pool.fetchval("select count(*) from facts where topic = 'complaints'") == 1
    await deployment.reads(fact)
    await deployment.fanouts()
    await deployment.check(local("2016-04-02"))
    assert await states(deployment) == {"a": ("terminated", False), "b": ("terminated", False)}


async def test_a_fanout_judges_the_cases_of_a_quarantined_member_too(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in "ab"))
    with monkeypatch.context() as broken:
        break_for(broken, companies, "case_effects", "a")
        await deployment.reads(case("2016-04-01", account="a", category="refusal_of_trade_assurance"))
    await deployment.reads(case("2016-04-02", account="b", category="refusal_of_trade_assurance"))
    await deployment.fanouts()
    await deployment.check(local("2016-04-03"))


async def test_an_order_releases_an_active_account_from_quarantine(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(enrolled("2016-03-01", "a", "c", "e-a"))
    await deployment.reads(order("2016-03-02", "a", "o1"), order("2016-03-03", "a", "o2"))
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "a")
        assert (await deployment.reads(activation("2016-03-04", "a", "r1"))).quarantined.keys() == {"a"}
    await deployment.reads(order("2016-03-05", "a", "o3"))
    await deployment.check(local("2016-03-06"))
    assert await states(deployment) == {"a": ("active", False)}
