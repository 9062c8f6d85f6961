"""How a termination is fanned out on the real store: the way through the members, in chunks."""

import pytest

from tests.model.story import closed, enrolled, order
from tests.support.companies import END, claimed, completed, members, upheld
from tests.support.database_deployment import DatabaseDeployment
from workers.enforcement import process


async def test_a_fanout_goes_through_the_members_in_chunks_and_signals_once_how_many_were_terminated(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(10), enrolled("2016-03-01", "away", "c"), closed("2016-04-01", "away"))
    await deployment.reads(upheld("2016-04-10", "m03"))
    assert [each["account_id"] for each in await deployment.values("account_terminated")] == ["m03"]
    cursors = []
    for _ in range(3):
        await deployment.enforcement.process_fanout(await claimed(deployment), 4)
        cursors.append((await claimed(deployment)).cursor)
    assert cursors == ["m02", "m06", "m09"]  # "away" is before them all
    assert await completed(deployment) == []
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 10)]
    assert await deployment.pool.fetchval("select count(*) from company_fanouts") == 0
    await deployment.check(END)


async def test_a_newer_version_of_the_company_joins_the_running_fanout_and_the_older_one_does_not_complete(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(6))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    old = await claimed(deployment)
    await deployment.enforcement.process_fanout(old, 4)
    old = await claimed(deployment)
    assert (old.cursor, old.version) == ("m03", 1)
    await deployment.reads(upheld("2016-04-11", "m05", "k2"))
    on = await claimed(deployment)
    assert (on.cursor, on.version) == ("m03", 1)
    await deployment.enforcement.process_fanout(on, 4)
    on = await claimed(deployment)
    await deployment.enforcement.process_fanout(old, 4)  # a worker that was slow goes on where it was
    await deployment.enforcement.process_fanout(
        old._replace(cursor="m05x"), 4
    )  # or where nobody is, and would end it
    assert await claimed(deployment) == on
    assert await completed(deployment) == []
    await deployment.enforcement.process_fanout(on, 4)
    assert await completed(deployment) == [("k1", 6)]
    again = await claimed(deployment)
    assert (again.cursor, again.version) == ("", 2)
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 6), ("k2", 6)]
    await deployment.check(END)


@pytest.mark.parametrize("chunk", [4, 7])
async def test_with_a_case_during_every_chunk_the_last_member_is_reached_and_every_completion_comes(
    deployment: DatabaseDeployment, chunk: int
) -> None:
    """The way round is as long as it is without new cases; a termination is complete after two of them at most."""
    await deployment.reads(*members(20), closed("2016-04-01", "m02", "closing"))
    way = -(-20 // chunk) + 1
    seen: list[str] = []
    for number in range(3 * way):
        await deployment.reads(upheld(f"2016-04-10 12:00:{number:02}", f"m{number % 20:02}", f"k{number:02}"))
        await deployment.enforcement.process_fanout(await claimed(deployment), chunk)
        hit = {each["account_id"] for each in await deployment.values("account_terminated")}
        assert number < way - 2 or "m19" in hit, f"the last member is not terminated after {number + 1} chunks"
        seen = [case_id for case_id, _ in await completed(deployment)]
        assert number < 2 * way or f"k{number - 2 * way:02}" in seen, f"no completion after {number + 1} chunks"
    await deployment.fanouts(chunk)
    assert sorted(await completed(deployment)) == [(f"k{number:02}", 19) for number in range(3 * way)]
    assert await deployment.pool.fetchval("select count(*) from company_fanouts") == 0
    await deployment.check(END)


async def test_a_chunk_is_small_when_its_members_have_much_to_be_decided(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The members of one transaction times the terminations that each is decided about have a limit."""
    monkeypatch.setattr(process, "MOST_TERMINATIONS", 20)
    await deployment.reads(*members(10))
    await deployment.reads(*(upheld(f"2016-04-{day + 1:02}", "m00", f"k{day}") for day in range(7)))
    assert (await deployment.enforcement.process_fanout(await claimed(deployment), 400)).accounts == 2
    await deployment.fanouts(400)
    assert sorted(await completed(deployment)) == [(f"k{day}", 10) for day in range(7)]
    await deployment.check(END)


async def test_a_withdrawal_during_a_fanout_names_the_facts_of_every_case_that_the_member_was_not_judged_by(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(6))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    await deployment.fanouts()
    await deployment.reads(enrolled("2016-04-05", "m00", "d", "moved"))
    await deployment.reads(upheld("2016-04-12", "m01", "k2"))
    await deployment.fanouts()
    withdrawn = [
        each for each in await deployment.values("account_terminated_withdrawn") if each["account_id"] == "m05"
    ]
    assert [{fact["id"] for fact in each["because"]} for each in withdrawn] == [{"moved", "k2-upheld"}]


async def test_an_account_that_joins_behind_the_cursor_of_a_fanout_is_counted_too(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(10))
    await deployment.reads(upheld("2016-04-10", "m03"))
    await deployment.enforcement.process_fanout(await claimed(deployment), 4)
    await deployment.reads(enrolled("2016-03-02", "a0", "c", "late"))
    assert "a0" in {each["account_id"] for each in await deployment.values("account_terminated")}
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 11)]
    await deployment.check(END)


async def test_an_account_that_is_judged_during_a_fanout_is_terminated_with_that_judgement(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(5))
    await deployment.reads(upheld("2016-04-10", "m00"))
    await deployment.reads(order("2016-04-20", "m04", "o"), order("2016-04-21", "m04", "o2"))
    hit = {each["account_id"] for each in await deployment.values("account_terminated")}
    assert hit == {"m00", "m04"}
    await deployment.fanouts()
    await deployment.check(END)
    assert await completed(deployment) == [("k", 5)]
