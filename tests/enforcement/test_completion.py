"""When a termination is completed on the real store: once all members are decided, and once."""

import pytest

from tests.model.story import case, closed, enrolled, local, order
from tests.support.companies import END, claimed, completed, members, upheld
from tests.support.database_deployment import DatabaseDeployment, break_for
from workers.enforcement import completion, evaluate


async def test_many_terminations_are_completed_a_few_in_a_transaction(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "COMPLETED_AT_ONCE", 3)
    monkeypatch.setattr(completion, "PAGE", 2)
    await deployment.reads(*members(5))
    await deployment.reads(*(upheld(f"2016-04-{day + 1:02}", "m00", f"k{day}") for day in range(7)))
    await deployment.enforcement.process_fanout(await claimed(deployment), 400)
    for expected in (3, 6, 7):
        await deployment.enforcement.process_fanout(await claimed(deployment), 400)
        assert len(await completed(deployment)) == expected
    assert sorted(await completed(deployment)) == [(f"k{day}", 5) for day in range(7)]
    assert await deployment.store.claim_fanout(0.0) is None


async def test_a_completion_is_signalled_once_though_the_termination_is_carried_out_again(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(3))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 3)]
    await deployment.reads(case("2016-04-12", "reversed", "m00", "k1"))
    await deployment.fanouts()
    await deployment.reads(enrolled("2016-03-20", "late", "c"), upheld("2016-04-20", "late", "k2"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 3), ("k2", 4)]
    await deployment.check(END)


async def test_a_company_of_closed_accounts_alone_completes_with_no_account_terminated(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(2))
    await deployment.reads(closed("2016-04-01", "m00", "x0"), closed("2016-04-01", "m01", "x1"))
    await deployment.reads(upheld("2016-04-10", "m01"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 0)]
    await deployment.check(END)


async def test_no_company_is_complete_while_a_member_that_joined_behind_the_cursor_is_quarantined(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*members(10))
    await deployment.reads(upheld("2016-04-10", "m03"))
    await deployment.enforcement.process_fanout(await claimed(deployment), 4)
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "a0")
        await deployment.reads(enrolled("2016-03-02", "a0", "c", "late"))
        await deployment.fanouts()
    assert await completed(deployment) == []
    await deployment.reads(order("2016-04-20", "a0", "o"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 11)]
    await deployment.check(END)


@pytest.mark.parametrize("chunk", [1, 10])
async def test_completion_waits_for_members_whose_deadline_the_watermark_has_not_reached_and_counts_them(
    deployment: DatabaseDeployment, chunk: int
) -> None:
    """The members' first notice falls at 07-30; what happened after it cannot be judged before it is proved."""
    await deployment.reads(*members(3), order("2016-07-29", "m00", "o1"))
    await deployment.move_watermark(local("2016-07-29"))
    await deployment.reads(upheld("2016-07-30 00:01", "m00"))
    await deployment.fanouts(chunk)
    assert await completed(deployment) == []
    await deployment.reads(order("2016-07-30 00:02", "m01", "o2"))  # decides nothing yet either
    await deployment.fanouts(chunk)
    assert await completed(deployment) == []
    await deployment.reaches(local("2016-07-31"))
    await deployment.fanouts(chunk)
    assert await completed(deployment) == [("k", 3)]
    await deployment.check(local("2016-07-31"))


async def test_completion_waits_for_a_member_that_is_quarantined(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*members(3))
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "m01")
        await deployment.reads(upheld("2016-04-10", "m00"))
        await deployment.fanouts()
    assert await completed(deployment) == []
    await deployment.reads(order("2016-04-11", "m01", "o1"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 3)]
    await deployment.check(END)
