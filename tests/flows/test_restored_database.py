"""A database that comes back older than what was published, or on another server: noticed before anyone writes.

Owns fault 10 of the list: whichever worker comes back first, nothing is written to an older copy until
`standing relay --reconcile` brought it up to what was published; and a failover that lost nothing goes on.
"""

from pathlib import Path

from tests.support.databases import WRITTEN, keep_copy, rows, set_back
from tests.support.deployment import Deployment, check_all
from tests.support.facts import enrolled, paid

WORKERS = ("ingest", "timers", "fanout", "relay")


async def test_every_worker_and_command_refuses_a_database_older_than_what_was_published(
    deployment: Deployment,
) -> None:
    deployment.send([enrolled("a", "2016-03-01 10:00"), paid("a", "2016-03-02 10:00")])
    with deployment.working():
        deployment.drain()
    await keep_copy(deployment)
    deployment.send([enrolled("b", "2016-03-03 10:00")])
    with deployment.working():
        deployment.drain()
    await set_back(deployment)
    before = await rows(deployment, WRITTEN)
    for name in (*WORKERS, "work", "setup", "status"):
        refused = deployment.standing(name, check=False)
        assert refused.returncode == 2, f"{name}: {refused.stderr}"
        assert refused.stderr.splitlines()[-1].startswith("standing: shard "), f"{name}: {refused.stderr}"
        assert "standing relay --reconcile" in refused.stderr, name
    assert await rows(deployment, WRITTEN) == before


async def test_running_workers_notice_that_an_older_database_was_put_in_the_place_of_theirs(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.working():
        deployment.drain()
    await keep_copy(deployment)
    deployment.send([enrolled("a", "2016-03-01 10:00")])
    printed = tmp_path / "printed"
    with printed.open("wb") as log, deployment.working(log=log) as supervisor:
        deployment.drain()
        await set_back(deployment)
        before = await rows(deployment, WRITTEN)
        deployment.send([enrolled("b", "2016-03-03 10:00")])
        assert supervisor.wait(60) == 2
    assert await rows(deployment, WRITTEN) == before
    assert "standing relay --reconcile" in printed.read_text()
    assert "Traceback" not in printed.read_text(), "one clear line each"


async def test_a_failover_that_lost_nothing_goes_on_by_itself(deployment: Deployment) -> None:
    deployment.send([enrolled("a", "2016-03-01 10:00"), paid("a", "2016-03-02 10:00")])
    with deployment.working():
        deployment.drain()
    await rows(deployment, "update deployment set system_identifier = 'the former', timeline = 7 returning 1")
    deployment.send([enrolled("b", "2016-03-03 10:00")])
    with deployment.working("ingest"), deployment.working("timers"):
        assert deployment.standing("drain", "--timeout", "2", check=False).returncode == 1  # they wait for the relay
        with deployment.working("relay"):
            deployment.drain()
    adopted = await rows(deployment, "select system_identifier <> 'the former' and timeline <> 7 from deployment")
    assert adopted == [(True,)]
    await check_all(deployment)
