"""The timers ask for a heartbeat while a deadline has passed by the wall clock, and not before."""

import asyncio
from dataclasses import dataclass
from functools import partial

import asyncpg

from tests.model.story import enrolled, local
from tests.support.database_deployment import DatabaseDeployment
from tests.support.streams import until
from workers import timers
from workers.ops.clock import WallClock
from workers.ops.health import Vitals
from workers.rules.calendar import SECOND, Instant
from workers.store import channels

NOTICE = local("2016-07-30")
"""The first deadline of an account that enrolled in March."""
LATENESS = 600 * SECOND


@dataclass
class Standing(WallClock):
    """A clock that stands, until the test moves it."""

    now: Instant
    looks: int = 0

    def wall(self) -> Instant:
        self.looks += 1
        return self.now


async def test_a_heartbeat_is_asked_for_once_a_deadline_has_passed_by_the_allowed_lateness(
    deployment: DatabaseDeployment, database_url: str
) -> None:
    await deployment.reads(enrolled("2016-03-01 10:00"))
    asked: list[str] = []
    stop, clock = asyncio.Event(), Standing(NOTICE + LATENESS - 1)
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(channels.HEARTBEAT, lambda *told: asked.append(told[-1]))
    async with asyncio.TaskGroup() as tasks:
        ask = partial(timers.ask_for_heartbeats, deployment.store, clock, LATENESS, Vitals(), stop)
        tasks.create_task(ask())
        await until(lambda: clock.looks > 1)  # the first look has ended
        await deployment.pool.execute("select pg_notify($1, 'the clock moves')", channels.HEARTBEAT)
        await until(lambda: bool(asked))
        clock.now += 1
        await until(lambda: len(asked) > 1)
        stop.set()
    await listener.close()
    assert asked[:2] == ["the clock moves", ""]
