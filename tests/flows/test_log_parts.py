"""`standing log`: old parts go once they are published; what they held is then seen no longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.databases import url_of
from tests.support.deployment import Deployment
from tests.support.facts import enrolled
from workers.store.connections import connect
from workers.store.log_parts import log_parts

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()


async def test_a_part_is_detached_once_every_shard_is_past_it_and_has_published_it(deployment: Deployment) -> None:
    deployment.send([enrolled(f"a{number}", "2016-03-01 10:00") for number in range(20)])
    with deployment.working():
        deployment.drain()
    refused = deployment.standing("log", "--detach-before", LATER, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("standing: decision_log_000 holds rows up to 9999999, but some shard ")
    connection = await connect(url_of(deployment))
    try:
        await give_the_rows_a_small_part(connection)
        listed = deployment.standing("log").stdout.splitlines()
        assert listed[0].startswith("decision_log_small: rows 0 to 1 of each shard, the newest recorded at 20")
        assert deployment.standing("log", "--detach-before", "2016-01-01T00:00:00Z").stdout.splitlines() == listed
        refused = deployment.standing("log", "--detach-before", LATER, check=False)
        assert "decision_log_000 holds rows up to 9999999" in refused.stderr
        at = await connection.fetchval("select max(recorded_at) + interval '1 ms' from decision_log_small")
        await connection.execute("update decision_log_000 set recorded_at = now() + interval '1 hour'")
        done = deployment.standing("log", "--detach-before", at.isoformat()).stdout.splitlines()
        assert done[0] == "detached decision_log_small: its table is kept; archive it, then drop it"
        assert len(done) == len(listed)
        assert await connection.fetchval("select count(*) from decision_log_small") == 3
    finally:
        await connection.close()


async def give_the_rows_a_small_part(connection: Any) -> None:
    """The first row of each shard in a part of its own, as after ten million of them."""
    [first, *_] = await log_parts(connection)
    assert first.name == "decision_log_000"
    for each in (
        "alter table decision_log detach partition decision_log_000",
        "create table decision_log_small (like decision_log including all)",
        "insert into decision_log_small select * from decision_log_000 where seq < 2",
        "delete from decision_log_000 where seq < 2",
        "alter table decision_log attach partition decision_log_small for values from (0) to (2)",
        f"alter table decision_log attach partition decision_log_000 for values from (2) to ({first.end_seq})",
    ):
        await connection.execute(each)
