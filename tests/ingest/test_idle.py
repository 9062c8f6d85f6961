"""What an ingest worker writes while nothing is sent, in a minute of a clock that the test moves."""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.support.database_deployment import DatabaseDeployment, deployed
from tests.support.played_consumer import PLACES, SAMPLE, PlayedConsumer, ingest
from workers.ingest import worker
from workers.ingest.heartbeat import Present
from workers.ops.clock import WallClock
from workers.rules.calendar import SECOND, Instant
from workers.store import channels
from workers.store.listener import Bell, Listener

UPDATES = "select n_tup_upd from pg_stat_user_tables where relname = 'positions'"


@dataclass
class Minute(WallClock):
    """A clock that stands between two waits."""

    began: Instant = field(default_factory=WallClock().wall)
    seconds: float = 0.0

    def wall(self) -> Instant:
        return self.began + round(self.seconds * SECOND)


class Unasked(Bell):
    """Nobody asks: each wait lasts to its end, on the clock of the test; the worker ends in the thirteenth."""

    def __init__(self, listener: Listener, clock: Minute) -> None:
        super().__init__(listener)
        self.clock = clock

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        self.clock.seconds += seconds + worker.END_CHECK_SECONDS
        if self.clock.seconds > 61:
            stop.set()
            await asyncio.Event().wait()
        return False


async def updates(deployment: DatabaseDeployment) -> int:
    """Row versions of `positions` that its one connection wrote."""
    await deployment.pool.execute("select pg_stat_force_next_flush()")
    return int(await deployment.pool.fetchval(UPDATES))


async def test_an_idle_worker_writes_each_position_twelve_times_a_minute(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "END_CHECK_SECONDS", 0.01)
    clock = Minute()
    async with deployed(database_url, SAMPLE, connections=1) as deployment:
        idle = ingest(deployment, consumer := PlayedConsumer())
        idle.heartbeat.present = Present(clock, deployment.store, events=False)
        before = await updates(deployment)
        async with asyncio.timeout(20):
            await idle.run(asyncio.Event(), Unasked(Listener(deployment.pool, channels.HEARTBEAT), clock))
        versions = (await updates(deployment) - before) / len(PLACES)
    assert (versions, consumer.asked) == (1 + 12, 12), "the claim, and the heartbeats"
