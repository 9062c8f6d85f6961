"""The fast path's conditions: for each a history in which leaving it out would lose or keep a wrong decision."""

import asyncio
from dataclasses import replace

import pytest

from tests.model.story import activation, case, closed, enrolled, local, order
from tests.support.companies import waits_for
from tests.support.database_deployment import DatabaseDeployment, policies_of
from tests.support.rules_engine import Message
from workers.rules.calendar import DAY

ENROLLED = enrolled("2016-03-01 10:00", event="enrolled")


def policy(name: str, start: str, days: int, notices: str = "[]") -> str:
    """A policy file whose inactivity period and notices are as given."""
    return (
        f'id = "{name}"\neffective_from = {start}T00:00:00+08:00\ntime_zone = "Asia/Shanghai"\n'
        f'day_count = "calendar"\ninactivity_days = {days}\nactivation_days = 15\nlockout_days = 30\n'
        f"reapply_days = 90\ninactivity_notices = {notices}\nactivation_notices = []\nexempt_causes = []\n"
        '[violations.refusal]\npenalty = "terminate"\n'
    )


async def kinds(deployment: DatabaseDeployment, account_id: str = "a") -> list[tuple[str, str]]:
    """The decisions in force about an account: kind and Shanghai day, in order of their instants."""
    rows = await deployment.pool.fetch(
        "select kind, to_char(effective_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD') from current_decisions "
        "where subject = $1 order by effective_at, sequence",
        account_id,
    )
    return [tuple(row) for row in rows]


async def at_the_end(deployment: DatabaseDeployment, day: str, account_id: str = "a") -> list[tuple[str, str]]:
    """Advance the clock to that day; check the decisions in force against the model and return their kinds."""
    await deployment.reaches(local(day))
    await deployment.check(local(day))
    return await kinds(deployment, account_id)


async def test_ordinary_orders_take_the_fast_path_and_a_doubled_one_changes_nothing(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    days = [order(f"2016-03-{day:02} 10:00", order_id=f"o{day}") for day in range(2, 30)]
    done = [await deployment.reads(each, each) for each in days]
    assert [each.judged for each in done] == [1, *[0] * 27]  # the first comes twice in one batch
    assert (await deployment.reads(days[3], days[7])).judged == 0  # inside the span
    assert await at_the_end(deployment, "2016-08-26") == [("account_enrolled", "2016-03-01")]
    assert await at_the_end(deployment, "2016-08-27") == [
        ("account_enrolled", "2016-03-01"),
        ("suspension_notice", "2016-08-27"),
    ]


@pytest.mark.parametrize("deployment", [(policy("p", "2016-02-01", 180),)], indirect=True)
async def test_an_order_of_an_account_that_is_not_active_is_judged(deployment: DatabaseDeployment) -> None:
    await deployment.reads(ENROLLED, order("2016-03-02 10:00", order_id="o1"))
    await deployment.reaches(local("2016-09-01"))
    await deployment.reads(activation("2016-09-01 10:00"))
    assert (await deployment.reads(order("2016-09-02 10:00", order_id="o2"))).judged == 1
    assert await at_the_end(deployment, "2016-09-20") == [
        ("account_enrolled", "2016-03-01"),
        ("account_suspended", "2016-08-30"),
        ("activation_granted", "2016-09-01"),
        ("account_restored", "2016-09-02"),
    ]


@pytest.mark.parametrize("deployment", [(policy("p", "2016-02-01", 180),)], indirect=True)
async def test_an_order_older_than_the_last_is_judged_for_it_may_begin_a_span_of_its_own(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(enrolled("2017-03-01", event="second"))
    await deployment.reads(order("2017-03-02", order_id="late"))
    await deployment.reads(order("2016-03-02", order_id="early"))
    await deployment.reads(enrolled("2016-03-01", event="first"))
    assert await at_the_end(deployment, "2017-03-03") == [
        ("account_enrolled", "2016-03-01"),
        ("account_suspended", "2016-08-30"),
        ("account_restored", "2017-03-02"),
    ]


@pytest.mark.parametrize("deployment", [(policy("p", "2016-02-01", 180),)], indirect=True)
async def test_an_order_after_the_deadline_since_the_last_is_judged_though_the_account_enrolled_later(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(enrolled("2016-08-19", event="second"))
    await deployment.reads(order("2016-02-11", order_id="o1"))
    await deployment.reads(order("2016-08-15", order_id="o2"))
    await deployment.reads(enrolled("2016-02-02", event="first"))
    assert await at_the_end(deployment, "2016-08-20") == [
        ("account_enrolled", "2016-02-02"),
        ("account_suspended", "2016-08-10"),
        ("account_restored", "2016-08-15"),
    ]


STRICTER = (policy("p0", "2016-02-01", 180), policy("p1", "2016-02-10", 30))


@pytest.mark.parametrize("deployment", [STRICTER], indirect=True)
async def test_the_first_order_under_another_policy_is_judged(deployment: DatabaseDeployment) -> None:
    await deployment.reads(enrolled("2016-02-01"))
    await deployment.reads(order("2016-02-01 10:00", order_id="o1"))
    assert (await deployment.reads(order("2016-02-11 10:00", order_id="o2"))).judged == 1
    await deployment.reads(order("2016-03-31 10:00", order_id="o3"))
    assert await at_the_end(deployment, "2016-04-01") == [
        ("account_enrolled", "2016-02-01"),
        ("account_suspended", "2016-03-13"),
        ("account_restored", "2016-03-31"),
    ]


@pytest.mark.parametrize("deployment", [STRICTER], indirect=True)
async def test_orders_are_kept_apart_where_the_stricter_policy_in_force_between_them_could_decide(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(enrolled("2016-02-02", event="first"))
    await deployment.reads(order("2016-02-03", order_id="o1"))
    await deployment.reads(order("2016-04-20", order_id="o2"))
    await deployment.reads(closed("2016-02-11", event="closed"), enrolled("2016-02-12", event="second"))
    assert await at_the_end(deployment, "2016-04-21") == [
        ("account_enrolled", "2016-02-02"),
        ("account_closed", "2016-02-11"),
        ("account_enrolled", "2016-02-12"),
        ("account_suspended", "2016-03-14"),
        ("account_restored", "2016-04-20"),
    ]


async def test_an_order_in_a_deadline_of_which_a_notice_was_given_is_judged(deployment: DatabaseDeployment) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reads(order("2016-03-02", order_id="o1"))
    await deployment.reads(order("2016-03-03", order_id="o2"))
    await deployment.reaches(local("2016-08-05"))
    assert ("suspension_notice", "2016-08-01") in await kinds(deployment)
    assert (await deployment.reads(order("2016-06-10", order_id="late"))).judged == 1
    assert await at_the_end(deployment, "2016-08-05") == [("account_enrolled", "2016-03-01")]
    assert [each["kind"] for each in await deployment.values("suspension_notice_withdrawn")] == [
        "suspension_notice_withdrawn"
    ]


async def test_the_first_order_of_an_account_is_judged_where_anything_but_its_enrolment_was_decided(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reaches(local("2016-08-05"))
    assert ("suspension_notice", "2016-07-30") in await kinds(deployment)
    await deployment.reads(order("2016-06-10", order_id="late"))
    assert await at_the_end(deployment, "2016-08-05") == [("account_enrolled", "2016-03-01")]


async def test_the_first_order_is_judged_where_a_case_waits_behind_a_deadline_that_it_ends(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reads(case("2016-09-10", category="refusal_of_trade_assurance"))
    assert await kinds(deployment) == [("account_enrolled", "2016-03-01")]
    await deployment.reads(order("2016-06-10", order_id="late"))
    assert await kinds(deployment) == [("account_enrolled", "2016-03-01"), ("account_terminated", "2016-09-10")]
    await deployment.check(local("2016-06-10"))


async def test_an_order_is_judged_where_a_request_waits_behind_a_deadline_that_it_ends(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED, order("2016-03-02", order_id="o1"))
    await deployment.reads(activation("2016-08-10"))
    assert await kinds(deployment) == [("account_enrolled", "2016-03-01")]
    assert (await deployment.reads(order("2016-07-20", order_id="late"))).judged == 1
    assert await kinds(deployment) == [("account_enrolled", "2016-03-01"), ("activation_refused", "2016-08-10")]
    await deployment.check(local("2016-07-20"))


async def test_an_order_after_a_deadline_that_no_timer_has_enforced_yet_is_judged(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reads(order("2016-03-02", order_id="o1"))
    assert (await deployment.reads(order("2016-12-01", order_id="o2"))).judged == 1
    assert await at_the_end(deployment, "2016-12-01") == [
        ("account_enrolled", "2016-03-01"),
        ("suspension_notice", "2016-07-31"),
        ("suspension_notice", "2016-08-23"),
        ("suspension_notice", "2016-08-29"),
        ("account_suspended", "2016-08-30"),
        ("account_restored", "2016-12-01"),
    ]


async def test_no_next_check_is_later_than_a_full_evaluation_would_set(deployment: DatabaseDeployment) -> None:
    accounts = [f"a{number}" for number in range(20)]
    messages: list[Message] = [enrolled("2016-03-01 10:00", name, name) for name in accounts]
    await deployment.reads(*messages)
    for day in range(25):
        moved = [order(local("2016-03-02") + (day + index) * DAY, name) for index, name in enumerate(accounts)]
        await deployment.reads(*moved[day % 3 :: 3])
    rows = await deployment.pool.fetch(
        "select next_check, last_effective_at from accounts join account_clocks using (account_id)"
    )
    policy_in_force = deployment.policies.all[0]
    assert all(row["next_check"] <= policy_in_force.first_deadline(row["last_effective_at"]) for row in rows)
    await deployment.reaches(local("2016-12-01"))
    await deployment.check(local("2016-12-01"))


async def test_a_batch_that_meets_a_held_account_after_it_moved_others_begins_again_and_waits_holding_none(
    deployment: DatabaseDeployment,
) -> None:
    for name in ("a", "b"):
        await deployment.reads(enrolled("2016-03-01 10:00", name, name, f"e-{name}"))
    await deployment.reads(order("2016-03-02", "b", "o1"))
    async with deployment.store.transaction() as other:
        await other.lock_accounts(["a"])
        reading = asyncio.create_task(
            deployment.reads(order("2016-03-03", "b", "o2"), order("2016-03-03", "a", "o3"))
        )
        await waits_for(deployment, "from accounts")
        await other.lock_accounts(["b"], wait=False)
    done = await reading
    assert (done.accounts, done.judged, done.quarantined) == (2, 0, {})
    await deployment.check(local("2016-03-04"))


@pytest.mark.parametrize("deployment", [(policy("p", "2016-02-01", 180),)], indirect=True)
async def test_orders_under_a_policy_that_was_adopted_later_are_judged_by_it(deployment: DatabaseDeployment) -> None:
    """The account is quiet for 180 days by what was known when it was evaluated; the new policy leaves it 20."""
    await deployment.reads(ENROLLED)
    await deployment.reads(order("2016-03-02", order_id="o1"))
    later = policies_of(policy("p", "2016-02-01", 180), policy("q", "2016-03-10", 20))
    deployment.policies, deployment.enforcement = later, replace(deployment.enforcement, policies=later)
    assert (await deployment.reads(order("2016-03-12", order_id="o2"))).judged == 1
    assert (await deployment.reads(order("2016-03-13", order_id="o3"))).judged == 0
    assert await at_the_end(deployment, "2016-05-01") == [
        ("account_enrolled", "2016-03-01"),
        ("account_suspended", "2016-04-03"),
    ]
