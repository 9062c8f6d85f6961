"""A stored fact that cannot be read: its account alone stops, an operator sees which and why, and tries it again."""

import asyncpg

from tests.support.databases import rows, url_of
from tests.support.deployment import Deployment, check_all
from tests.support.facts import asks, case, enrolled

SELLERS = [f"seller-{number:03}" for number in range(200)]
JOINT = SELLERS[:20]
BAD = "seller-007"
STANDINGS = "select standing, count(*) from accounts where account_id <> 'seller-007' group by 1 order by 1"


async def do(deployment: Deployment, *statements: str) -> None:
    """What an operator, or a damaged disk, does to the database."""
    connection = await asyncpg.connect(url_of(deployment))
    try:
        for each in statements:
            await connection.execute(each)
    finally:
        await connection.close()


async def test_one_fact_that_cannot_be_read_stops_its_account_alone(deployment: Deployment) -> None:
    deployment.send(enrolled(each, "2016-03-01 10:00", "joint" if each in JOINT else each) for each in SELLERS)
    with deployment.working() as workers:
        deployment.drain()
        await do(
            deployment,
            "create table kept as select * from facts where account_id = 'seller-007'",
            """update facts set content = '{"occurred_at": 1}' where account_id = 'seller-007'""",
        )
        deployment.send(
            [case("seller-000", "2016-03-05 10:00"), *(asks(each, "2016-03-06 10:00") for each in SELLERS)]
        )
        deployment.send([enrolled("clock", "2016-10-01 10:00", "clock")])
        deployment.drain()
        assert await rows(deployment, STANDINGS) == [("active", 1), ("suspended", 180), ("terminated", 19)]
        assert workers.poll() is None

        status = deployment.standing("status", check=False)
        assert status.returncode == 1
        assert "1 accounts are quarantined" in status.stdout
        assert BAD in status.stdout
        assert "facts cannot be read" in status.stdout
        for arguments in (("explain", BAD), ("explain", BAD, "--json"), ("company", "id:joint", "--json")):
            shown = deployment.standing(*arguments)
            assert "cannot be read" in shown.stdout, arguments
            assert shown.stderr == "", arguments
        for chosen in ([], [BAD]):
            again = deployment.standing("retry", *chosen, check=False)
            assert again.returncode == 1, again
            assert len(again.stderr.splitlines()) == 1, again  # the error, and no traceback
            assert f"{BAD} is still quarantined" in again.stdout
        unknown = deployment.standing("retry", "nobody", check=False)
        assert (unknown.returncode, unknown.stderr) == (2, "standing: no fact of account 'nobody' was ever read\n")

        await do(
            deployment, "update facts f set content = k.content from kept k where (f.topic, f.id) = (k.topic, k.id)"
        )
        assert "1 accounts are decided" in deployment.standing("retry").stdout
        deployment.drain()
        assert "quarantined" not in deployment.standing("status").stdout
        suspended = [
            each.value["accounts"]
            for each in deployment.published(["company-terminations"])
            if "accounts" in each.value
        ]
        assert suspended == [20]
    await check_all(deployment)
