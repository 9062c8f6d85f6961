"""From Kafka to Kafka: the real command line, real servers, and only what other systems see."""

import os
import signal

from tests.support.deployment import Deployment, check_promises, net, workers_of
from tests.support.facts import asks, case, enrolled, paid


def kinds(deployment: Deployment, account_id: str) -> list[tuple[str, str]]:
    """The decisions in force of an account, in order: clause and kind."""
    found = [each for each in net(deployment.published()).values() if each.get("account_id") == account_id]
    return [(each["clause"], each["kind"]) for each in sorted(found, key=lambda each: each["sequence"])]


def test_deadline_suspends_an_activation_expires_and_an_order_restores(deployment: Deployment) -> None:
    with deployment.working():
        deployment.send([enrolled("zhang", "2016-03-01 10:00"), enrolled("clock", "2016-03-01 10:00", "other")])
        deployment.drain()
        deployment.send([asks("zhang", "2016-09-01 00:00"), paid("clock", "2016-09-18 00:00")])
        deployment.drain()
        deployment.send([paid("zhang", "2016-09-20 00:00")])
        deployment.drain()
        assert kinds(deployment, "zhang") == [
            ("E1", "account_enrolled"),
            ("S6", "suspension_notice"),
            ("S6", "suspension_notice"),
            ("S6", "suspension_notice"),
            ("S1", "account_suspended"),
            ("S3", "activation_granted"),
            ("S6", "expiry_notice"),
            ("S6", "expiry_notice"),
            ("S5", "reactivation_expired"),
            ("S2", "account_restored"),
        ]
        check_promises(deployment.published())
    assert deployment.standing("status").returncode == 0


def test_a_company_is_terminated_and_reversed_and_a_late_member_is_terminated_too(deployment: Deployment) -> None:
    members = [enrolled(f"m{number}", "2016-03-01 10:00") for number in range(30)]
    with deployment.working():
        deployment.send([*members, enrolled("other", "2016-03-01 10:00", "globex")])
        deployment.send([case("m7", "2016-06-01 00:00")])
        deployment.drain()
        deployment.send([enrolled("late", "2016-05-01 00:00"), enrolled("joins", "2016-06-02 00:00")])
        deployment.drain()
        decided = net(deployment.published()).values()
        hit = {each["account_id"]: each["clause"] for each in decided if each["kind"] == "account_terminated"}
        assert hit == {f"m{number}": "T2" for number in range(30)} | {"late": "T2", "joins": "T4"}
        deployment.send([case("m7", "2016-06-05 00:00", "reversed")])
        deployment.drain()
        messages = deployment.published()
        completed = [each.value for each in messages if each.value.get("kind") == "company_termination_completed"]
        assert [each["accounts"] for each in completed] == [30]
        decided = net(messages).values()
        assert sum(each["kind"] == "account_reinstated" for each in decided) == 32
        check_promises(messages)


def test_a_late_payment_withdraws_the_suspension_it_prevents(deployment: Deployment) -> None:
    with deployment.working():
        deployment.send([enrolled("wang", "2016-03-01 10:00"), paid("clock", "2016-09-10 00:00")])
        deployment.drain()
        assert kinds(deployment, "wang")[-1] == ("S1", "account_suspended")
        deployment.send([paid("wang", "2016-08-20 00:00", "late-order")])
        deployment.drain()
        messages = deployment.published()
        withdrawn = [each.value for each in messages if each.value.get("kind") == "account_suspended_withdrawn"]
        assert [each["because"][0]["id"] for each in withdrawn] == ["late-order"]
        assert ("S1", "account_suspended") not in kinds(deployment, "wang")
        check_promises(messages)


def test_every_kill_of_every_worker_changes_no_decision(deployment: Deployment) -> None:
    accounts = [f"a{number:03}" for number in range(200)]
    with deployment.working() as supervisor:
        deployment.send(
            [enrolled(account, "2016-03-01 10:00", f"c{index % 40}") for index, account in enumerate(accounts)]
        )
        deployment.drain()  # every worker runs
        for worker in ("ingest", "timers", "fanout", "relay"):
            deployment.send([paid(account, "2016-03-10 00:00") for account in accounts[::2]])
            [process] = workers_of(supervisor.pid, worker)
            os.kill(process, signal.SIGKILL)
            deployment.send([case(accounts[5], "2016-03-20 00:00"), paid("clock", "2016-09-10 00:00")])
        deployment.drain()
        messages = deployment.published()
    check_promises(messages)
    suspended = {each["account_id"] for each in net(messages).values() if each["kind"] == "account_suspended"}
    company = {account for index, account in enumerate(accounts) if index % 40 == 5}
    assert suspended == set(accounts) - company
    hit = {each["account_id"] for each in net(messages).values() if each["kind"] == "account_terminated"}
    assert hit == company
