"""Deadlines in PostgreSQL: timers, early next checks, deferred facts and the deadline hold."""

from tests.model.story import activation, case, enrolled, local, order
from tests.support.database_deployment import DatabaseDeployment
from workers.rules.calendar import SECOND
from workers.store.deployment import hold

ENROLLED = enrolled("2016-03-01 10:00", event="enrolled")


async def row(deployment: DatabaseDeployment, account_id: str = "a") -> dict[str, object]:
    found = await deployment.pool.fetchrow(
        "select * from accounts left join account_clocks using (account_id) where account_id = $1", account_id
    )
    assert found is not None
    return dict(found)


async def told(deployment: DatabaseDeployment, kind: str) -> list[str]:
    """Which accounts the decisions in force of a kind are about."""
    rows = await deployment.pool.fetch("select subject from current_decisions where kind = $1 order by 1", kind)
    return [each[0] for each in rows]


async def test_a_next_check_that_came_early_is_only_set_again_without_a_decision(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reads(order("2016-03-02", order_id="o1"))
    await deployment.reads(order("2016-06-10", order_id="o2"))
    assert (await row(deployment))["next_check"] == local("2016-07-30")  # of the enrolment: no order touched it
    before = await deployment.log()
    await deployment.move_watermark(local("2016-08-01"))
    done = await deployment.enforcement.process_due(10)
    assert (done.accounts, done.fast, done.judged, done.messages) == (1, 1, 0, 0)
    assert (await row(deployment))["next_check"] == local("2016-11-08")
    assert (await deployment.enforcement.process_due(10)).accounts == 0
    assert await deployment.log() == before
    await deployment.reaches(local("2016-11-08"))
    assert await told(deployment, "suspension_notice") == ["a"]
    await deployment.check(local("2016-11-08"))


async def test_a_chunk_of_due_accounts_keeps_its_limit_and_takes_the_soonest_first(
    deployment: DatabaseDeployment,
) -> None:
    names = [f"a{number}" for number in range(9)]
    await deployment.reads(*(enrolled(f"2016-03-{index + 1:02}", name, name) for index, name in enumerate(names)))
    await deployment.move_watermark(local("2016-09-30"))
    assert (await deployment.enforcement.process_due(4)).judged == 4
    assert await told(deployment, "account_suspended") == names[:4]
    assert [(await deployment.enforcement.process_due(4)).judged for _ in range(3)] == [4, 1, 0]
    await deployment.check(local("2016-09-30"))


async def test_two_concurrent_timers_share_the_due_accounts_and_decide_none_twice(
    deployment: DatabaseDeployment,
) -> None:
    names = [f"a{number}" for number in range(12)]
    await deployment.reads(*(enrolled("2016-03-01", name, name) for name in names))
    await deployment.move_watermark(local("2016-09-30"))
    async with deployment.store.transaction() as other:
        taken = [each.account_id for each in await other.claim_due(local("2016-09-30"), 5)]
        assert (await deployment.enforcement.process_due(100)).judged == 7
        assert await told(deployment, "account_suspended") == sorted(set(names) - set(taken))
    assert (await deployment.enforcement.process_due(100)).judged == 5
    await deployment.check(local("2016-09-30"))


async def test_an_account_with_deferred_facts_keeps_its_standing_until_the_watermark_passes(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reaches(local("2016-06-01"))
    await deployment.reads(activation("2016-09-05", request="q"))
    found = await row(deployment)
    assert (found["standing"], found["deferred"], found["next_check"]) == ("active", True, local("2016-07-30"))
    await deployment.check(local("2016-06-01"))
    await deployment.reaches(local("2016-08-28"))
    assert (await row(deployment))["standing"] == "active"
    assert await told(deployment, "activation_granted") == []
    await deployment.reaches(local("2016-08-29"))
    found = await row(deployment)
    assert (found["standing"], found["deferred"]) == ("temporarily_active", False)
    assert await told(deployment, "activation_granted") == ["a"]
    await deployment.check(local("2016-08-29"))


async def test_an_order_before_the_deadline_lets_deferred_facts_be_decided(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reads(case("2016-09-05", category="refusal_of_trade_assurance"))
    assert await told(deployment, "company_terminated") == ["id:c"]
    assert await told(deployment, "account_terminated") == []
    await deployment.reads(order("2016-03-10", order_id="o1"), order("2016-08-20", order_id="o2"))
    assert await told(deployment, "account_terminated") == []  # a notice of the deadline after March comes before
    await deployment.reads(order("2016-06-01", order_id="late"))
    assert await told(deployment, "account_terminated") == ["a"]
    await deployment.check(local("2016-03-01"))


async def test_under_a_deadline_hold_facts_are_judged_and_no_deadline_is_enforced(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED, enrolled("2016-03-01", "b", "other", "e2"))
    await hold(deployment.pool, "a back-fill")
    await deployment.reaches(local("2016-12-01"))
    assert await told(deployment, "account_suspended") == []
    await deployment.reads(case("2016-04-01", account="b", category="refusal_of_trade_assurance"))
    assert await told(deployment, "account_terminated") == ["b"]
    await deployment.reads(order("2016-06-10", order_id="back-filled"))
    await hold(deployment.pool, None)
    await deployment.reaches(local("2016-12-01"))
    assert await told(deployment, "account_suspended") == []
    assert await deployment.values("account_suspended_withdrawn") == []
    await deployment.check(local("2016-12-01"))


async def test_a_partition_that_was_never_read_keeps_every_deadline_back_but_requests_do_not_count(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(ENROLLED)
    await deployment.move_watermark(local("2016-12-01"))
    for topic in ("order-status", "complaints", "seller-accounts"):
        await deployment.pool.execute(
            "update positions set watermark = null where topic = $1 and partition = 1", topic
        )
        assert (await deployment.enforcement.process_due(10)).accounts == 0
        await deployment.move_watermark(local("2016-12-01"))
    await deployment.pool.execute("update positions set watermark = null where topic = 'account-requests'")
    assert (await deployment.enforcement.process_due(10)).judged == 1
    assert await told(deployment, "account_suspended") == ["a"]


async def test_the_watermark_an_account_was_judged_with_never_goes_back(deployment: DatabaseDeployment) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reaches(local("2016-12-01"))
    assert await told(deployment, "account_suspended") == ["a"]
    await deployment.pool.execute("update positions set watermark = $1", local("2016-06-01"))
    await deployment.reads(enrolled("2016-03-05", "a", "c", "again"))
    assert await told(deployment, "account_suspended") == ["a"]
    assert await deployment.values("account_suspended_withdrawn") == []


async def test_thousands_of_late_facts_are_named_by_the_first_hundred_of_them(deployment: DatabaseDeployment) -> None:
    await deployment.reads(ENROLLED)
    await deployment.reaches(local("2016-12-01"))
    longest = "\U00020000" * 122
    late = [order(local("2016-04-01") + index * SECOND, order_id=f"{longest}{index:06}") for index in range(3000)]
    await deployment.reads(*late)
    [withdrawn] = await deployment.values("account_suspended_withdrawn")
    assert [fact["id"] for fact in withdrawn["because"]] == [f"{longest}{index:06}" for index in range(100)]
    assert withdrawn["because_left_out"] == 2900
    assert max(len(row.value) for row in await deployment.log()) < 100_000
    await deployment.check(local("2016-12-01"))
