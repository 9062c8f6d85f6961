"""`standing hold` and `standing release`: deadlines stay held until every partition is read to its end, or by force;
what waits for it meanwhile is not counted as work that nobody does.

No worker runs; the test moves the positions as an ingest worker does.
"""

import pytest

from contracts.topics import INPUT_TOPICS
from tests.model import story
from tests.support.database_deployment import DatabaseDeployment
from tests.support.deployment import Deployment, opened
from tests.support.facts import enrolled, paid
from tests.support.noted_metrics import Noted
from tests.support.raw import send_to
from workers import run_worker
from workers.commands.hold import CannotRelease, hold, release, release_by_force
from workers.commands.status import read_status
from workers.ops.health import Vitals
from workers.store.records import Changes
from workers.wiring import Database, Kafka, Worker, open_worker

UNREAD = [("order-status", 3), ("seller-accounts", 1)]


async def held(database: Database) -> str | None:
    """Why deadlines are held."""
    async with database.store.transaction() as transaction:
        return (await transaction.progress()).held


async def read_to_its_end(database: Database, place: tuple[str, int]) -> None:
    """The one record of a partition was read."""
    [position] = await database.store.claim_positions([place], "test")
    async with database.store.transaction() as transaction:
        await transaction.lock_positions([position])
        await transaction.write(Changes(positions=[position._replace(next_offset=1)]))


def refusal(*places: tuple[str, int]) -> str:
    named = ", ".join(f"{topic}/{partition}" for topic, partition in places)
    return f"not read to the end yet: {named}; wait (`standing status`), or release with --force"


async def test_deadline_is_not_released_before_every_partition_was_read_to_its_end(deployment: Deployment) -> None:
    for (topic, partition), (_, _, fields) in zip(
        UNREAD, [paid("a", "2016-03-02 10:00"), enrolled("a", "2016-03-01 10:00")], strict=True
    ):
        send_to(deployment, topic, partition, [fields], b"a")
    async with opened(deployment.settings) as (database, kafka):
        await hold(database, "a back-fill")
        refused = deployment.standing("release", check=False)
        assert (refused.returncode, refused.stderr) == (2, f"standing: {refusal(*UNREAD)}\n")
        await read_to_its_end(database, UNREAD[0])
        with pytest.raises(CannotRelease) as behind:
            await release(database, kafka)
        assert str(behind.value) == refusal(UNREAD[1])
        assert await held(database) == "a back-fill"

        deployment.standing("release", "--force")
        assert await held(database) is None

        await hold(database, "an emergency")
        await read_to_its_end(database, UNREAD[1])
        await release(database, kafka)
        assert await held(database) is None


async def fanouts(made: Worker, database: Database, kafka: Kafka) -> tuple[int, float]:
    """How many companies are still to be judged, by `standing status` and by the metric that an alert rests on."""
    metrics = Noted()
    await run_worker.sampler(made, Vitals(metrics=metrics)).sample()
    return (await read_status(database, kafka)).fanouts, metrics.values["standing_fanouts"]


async def test_a_company_whose_members_wait_for_a_held_deadline_is_counted_only_once_they_can_be_judged(
    deployment: Deployment,
) -> None:
    async with open_worker(deployment.settings, "test") as made, opened(deployment.settings) as (database, kafka):
        claimed = await made.store.claim_positions([(topic, 0) for topic in INPUT_TOPICS], "test")
        positions = {(each.topic, each.partition): each for each in claimed}
        incarnation = made.deployment.incarnation
        worker = DatabaseDeployment(made.pool, made.store, made.enforcement, made.policies, incarnation, positions)
        await worker.reads(*(story.enrolled("2016-03-01", account, "c", f"e-{account}") for account in "ab"))
        await hold(database, "a back-fill")
        await worker.move_watermark(story.local("2016-09-01"))
        await worker.reads(story.case("2016-09-02", account="a", category="refusal_of_trade_assurance"))
        assert await fanouts(made, database, kafka) == (1, 1)
        await worker.fanouts()
        assert await made.pool.fetchval("select count(*) from company_fanouts") == 1
        assert await fanouts(made, database, kafka) == (0, 0)
        await release_by_force(database)
        await worker.reaches(story.local("2016-09-03"))
        assert await fanouts(made, database, kafka) == (1, 1)
        await worker.fanouts()
        assert await fanouts(made, database, kafka) == (0, 0)
