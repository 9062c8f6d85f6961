"""A partition of mostly dead letters is paused, alone and across restarts, until an operator accepts it."""

from collections.abc import Sequence
from dataclasses import replace

from tests.support.deployment import Deployment, Published, check_all, check_promises, net
from tests.support.endpoints import scrape, with_ports
from tests.support.facts import case, enrolled, paid
from tests.support.raw import send_to
from tests.support.status import status, until_status

BAD = [b'{"status": "paid"}'] * 250


def of_kind(messages: Sequence[Published], kind: str) -> set[str]:
    return {each["account_id"] for each in net(messages).values() if each["kind"] == kind}


async def test_a_hundred_bad_records_in_a_row_pause_their_partition_until_accepted(deployment: Deployment) -> None:
    late, prevented = paid("silent", "2016-08-20 10:00"), "account_suspended_withdrawn"
    with deployment.working():
        deployment.send([enrolled("silent", "2016-03-01 10:00"), enrolled("idle", "2016-03-01 10:00", "other")])
        deployment.drain()
        send_to(deployment, "order-status", 1, [paid("early", "2016-03-02 10:00")[2], *BAD, late[2]])
        until_status(deployment, lambda found: "order-status/1" in found["paused"])
        deployment.send([enrolled("clock", "2016-09-01 10:00", "third")])
        send_to(deployment, "order-status", 0, [paid("clock", "2016-09-10 10:00")[2]])
        found = until_status(deployment, lambda found: sum(found["lag"].values()) == 151)
        assert found["paused"] == {"order-status/1": "100 dead letters in a row, up to offset 100"}
        assert found["lag"]["order-status/1"] == 151
        code, _ = status(deployment)
        assert code == 1
        [line] = [line for line in found["stuck"] if "paused" in line]
        assert line.endswith("`standing dead-letters accept order-status 1`")
        drained = deployment.standing("drain", "--timeout", "1", check=False)
        assert drained.returncode == 1
        assert drained.stderr.startswith("standing: not drained after 1 s: 151 unread, ")
        letters = [each.value["offset"] for each in deployment.published() if each.topic == "dead-letters"]
        assert sorted(letters) == list(range(1, 101))

    other = replace(deployment, environment={**deployment.environment, "STANDING_INSTANCE": "another"})
    with other.working():
        deployment.send([enrolled("later", "2016-09-11 10:00", "fourth")])
        until_status(deployment, lambda found: sum(found["lag"].values()) == 151 and not found["unpublished"])
        messages = deployment.published()
        assert of_kind(messages, "account_enrolled") == {"silent", "idle", "clock", "later"}
        assert of_kind(messages, "account_suspended") == set()
        refused = deployment.standing("dead-letters", "accept", "order-status", "0", check=False)
        assert (refused.returncode, refused.stderr) == (2, "standing: order-status/0 is not paused\n")
        deployment.standing("dead-letters", "accept", "order-status", "1", "--records", "20")
        until_status(deployment, lambda found: found["lag"]["order-status/1"] == 31 and bool(found["paused"]))
        accepted = deployment.standing("dead-letters", "accept", "order-status", "1")
        assert (
            accepted.stdout
            == "order-status/1 resumes: its next 31 records, before offset 252, do not count as dead letters\n"
        )
        other.drain()
        messages = deployment.published()
    check_promises(messages)
    letters = [each.value["offset"] for each in messages if each.topic == "dead-letters"]
    assert sorted(letters) == list(range(1, 251))
    assert of_kind(messages, "account_suspended") == {"idle"}
    assert not [each for each in messages if each.value.get("kind") == prevented]
    assert status(deployment)[0] == 0
    verdict = await check_all(deployment)
    assert verdict.figures["dead_letters"] == len(BAD)


async def test_a_case_waits_while_a_registry_partition_is_paused_and_then_terminates_the_right_company(
    deployment: Deployment,
) -> None:
    """Behind the bad records the accused moved from acme to globex, before the case."""
    deployment, port = with_ports(deployment)
    homes = {"mover": "acme", "left": "acme", "rival": "globex", "idle": "other"}
    with deployment.working():
        deployment.send(enrolled(account, "2016-03-01 10:00", company) for account, company in homes.items())
        deployment.drain()
        send_to(deployment, "seller-accounts", 1, [*BAD, enrolled("mover", "2016-05-01 10:00", "globex")[2]])
        until_status(deployment, lambda found: "seller-accounts/1" in found["paused"])
        deployment.send([case("mover", "2016-06-01 10:00"), paid("clock", "2016-09-10 10:00")])
        until_status(deployment, lambda _: scrape(port + 4)["standing_partitions_waiting"] == 1)
        found = until_status(deployment, lambda found: sum(found["lag"].values()) == 152 and not found["unpublished"])
        assert found["lag"]["seller-accounts/1"] == 151
        decided = net(deployment.published()).values()
        assert {(each["kind"], each["account_id"]) for each in decided} == {
            ("account_enrolled", account) for account in homes
        }
        deployment.standing("dead-letters", "accept", "seller-accounts", "1")
        deployment.drain()
        messages = deployment.published()
    check_promises(messages)
    assert not [each for each in messages if "withdraws" in each.value]
    assert of_kind(messages, "account_terminated") == {"mover", "rival"}
    [terminated] = [each for each in net(messages).values() if each["kind"] == "company_terminated"]
    assert terminated["company"]["key"] == "id:globex"
    assert of_kind(messages, "account_suspended") == {"left", "idle"}
    await check_all(deployment)
