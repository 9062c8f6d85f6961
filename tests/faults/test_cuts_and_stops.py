"""Connections cut in a commit, silent networks, killed servers, paused workers: nothing is lost or doubled.

Each fault happens while the workers work, and is counted; then the checker compares everything. The workers reach the
servers of this module through proxies, the tests directly. `make test` runs the short tests, `make faults` all.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random

import pytest

from tests.faults.cuts import is_commit, is_end_of_transaction
from tests.faults.deployment import FaultyDeployment
from tests.faults.load import under_load
from tests.support.faulty_servers import FaultyServers
from tests.support.long import long


class Every:
    """True for the first few of every so many chunks of which `wanted` is true."""

    def __init__(self, wanted: Callable[[bytes], bool], nth: int, times: int) -> None:
        self._wanted, self._nth, self._left = wanted, nth, times
        self._seen = 0

    def __call__(self, chunk: bytes) -> bool:
        if not self._wanted(chunk) or not self._left:
            return False
        self._seen += 1
        if self._seen % self._nth:
            return False
        self._left -= 1
        return True


@pytest.mark.parametrize("arrives", [False, True])
async def test_connections_cut_in_a_commit_whether_it_arrives_or_not(
    faulty: FaultyServers, deployment: FaultyDeployment, arrives: bool
) -> None:
    cut = Every(is_commit, 3, 8)
    if arrives:
        faulty.postgres_proxy.cut_after = cut
    else:
        faulty.postgres_proxy.cut_at = cut
    _, verdict = await deployment.play()
    assert faulty.postgres_proxy.cuts >= 5
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"


@pytest.mark.parametrize("arrives", [False, True])
async def test_connections_cut_at_the_end_of_a_kafka_transaction(
    faulty: FaultyServers, deployment: FaultyDeployment, arrives: bool
) -> None:
    cut = Every(is_end_of_transaction, 1, 2)  # of a few transactions: a busy machine puts more into each
    if arrives:
        faulty.kafka_proxy.cut_after = cut
    else:
        faulty.kafka_proxy.cut_at = cut
    _, verdict = await deployment.play()
    assert faulty.kafka_proxy.cuts == 2
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"


@long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
async def test_postgresql_is_killed_or_shut_down_immediately_and_restarted(
    faulty: FaultyServers, deployment: FaultyDeployment, number: signal.Signals
) -> None:
    async def fault() -> None:
        for _ in range(3):
            if number == signal.SIGKILL:
                await asyncio.to_thread(faulty.postgres.kill)
            else:
                await asyncio.to_thread(faulty.postgres.stop)
            await asyncio.to_thread(faulty.postgres.start)
            await asyncio.sleep(1)  # work goes on for a while between two faults

    await under_load(deployment, fault)


@long
async def test_the_broker_is_killed_and_started_again(faulty: FaultyServers, deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        for _ in range(2):
            await asyncio.to_thread(faulty.kafka.kill)
            await asyncio.to_thread(faulty.kafka.start)
            await asyncio.sleep(2)  # work goes on for a while between two faults

    await under_load(deployment, fault)


async def silent(faulty: FaultyServers, server: str, seconds: int) -> None:
    """The load while all packets of one of the servers, behind its proxy, are dropped."""
    proxy, setting = {
        "kafka": (faulty.kafka_proxy, "STANDING_KAFKA_BOOTSTRAP"),
        "postgres": (faulty.postgres_proxy, "STANDING_DATABASE_URL"),
    }[server]

    async def fault() -> None:
        for _ in range(2 if seconds < 60 else 1):
            with proxy.stalled():
                await asyncio.sleep(seconds)
            await asyncio.sleep(1)  # work goes on for a while between two faults

    name = f"silent_{server}_{seconds}"
    through = {setting: faulty.environment(name)[setting]}
    async with FaultyDeployment.made(faulty.kafka.bootstrap, faulty.postgres, name, **through) as deployment:
        await under_load(deployment, fault)


@long
@pytest.mark.parametrize("seconds", [1, 10, 60])
async def test_the_network_drops_all_packets_for_a_while(faulty: FaultyServers, seconds: int) -> None:
    async with asyncio.TaskGroup() as both:  # each has a deployment and a silent server of its own, and mostly waits
        for server in ("kafka", "postgres"):
            both.create_task(silent(faulty, server, seconds))


@long
async def test_connections_are_cut_at_random_and_all_together(
    faulty: FaultyServers, deployment: FaultyDeployment
) -> None:
    random = Random(11)  # noqa: S311

    async def fault() -> None:
        for proxy in (faulty.kafka_proxy, faulty.postgres_proxy):
            proxy.cut_at = lambda _: random.random() < 0.01
        for _ in range(5):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            faulty.kafka_proxy.cut_all()
            faulty.postgres_proxy.cut_all()
        for proxy in (faulty.kafka_proxy, faulty.postgres_proxy):
            proxy.reset()

    await under_load(deployment, fault)


async def stopped_under_load(faulty: FaultyServers, worker: str) -> None:
    """The load while one worker is stopped, another takes its place, and it wakes."""
    stop = asyncio.Event()

    async def fault() -> None:
        paused = deployment.processes[worker].pid
        os.kill(paused, signal.SIGSTOP)
        successor = asyncio.create_task(deployment.keep(worker, f"{worker}-2", stop))
        await asyncio.sleep(14)  # the session of a consumer ends after 10
        os.kill(paused, signal.SIGCONT)
        await asyncio.sleep(3)
        stop.set()
        await successor

    async with FaultyDeployment.made(faulty.kafka.bootstrap, faulty.postgres, f"stopped_{worker}") as deployment:
        await under_load(deployment, fault)


@long
@pytest.mark.parametrize("workers", [("ingest", "timers"), ("fanout", "relay")])
async def test_a_worker_is_stopped_past_every_limit_while_a_successor_works_and_goes_on(
    faulty: FaultyServers, workers: tuple[str, str]
) -> None:
    async with asyncio.TaskGroup() as both:  # each in a deployment of its own
        for worker in workers:
            both.create_task(stopped_under_load(faulty, worker))


@long
async def test_ingest_workers_join_and_leave_continuously(deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        for number in range(6):
            stop = asyncio.Event()
            guest = asyncio.create_task(deployment.keep("ingest", f"guest-{number % 2}", stop))
            await asyncio.sleep(2)
            if number % 2:
                deployment.processes[f"guest-{number % 2}"].kill()
            stop.set()
            await guest

    await under_load(deployment, fault)


@long
async def test_two_of_each_worker_work_at_the_same_time(deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        await asyncio.sleep(8)

    deployment.of_each = 2
    await under_load(deployment, fault)


async def test_workers_that_are_stopped_while_no_server_answers_end_in_time(
    faulty: FaultyServers, deployment: FaultyDeployment
) -> None:
    async with AsyncExitStack() as working:
        await working.enter_async_context(deployment.working())
        await deployment.send_step(0)
        await deployment.step_processed(0)
        with faulty.kafka_proxy.stalled(), faulty.postgres_proxy.stalled():
            await working.aclose()  # fails where one does not end in time
    assert {code for _, code in deployment.exits} <= {0, 1}, deployment.exits
    async with deployment.working():
        await deployment.send_step(1)
        await deployment.step_processed(1)
        await deployment.published()
    _, verdict = await deployment.at_rest()
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
