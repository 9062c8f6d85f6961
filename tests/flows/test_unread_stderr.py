"""Workers whose standard error nobody reads continue when PostgreSQL is back, and end in time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.deployment import Deployment, net
from tests.support.endpoints import ask, free_ports, until
from tests.support.facts import enrolled
from tests.support.forked import Forked, ended
from tests.support.proxy import Proxy, never
from tests.support.unread import unread_pipe
from workers.devservers.stack import LocalServers

WORKERS = 4
"""How many `work` starts; each has a port after its own."""
CUTS = 12
"""Connections refused before PostgreSQL is back: each of them makes a worker log something."""
STOP_SECONDS = 20.0
"""The documented limit of a stop, in seconds."""


@asynccontextmanager
async def unread(deployment: Deployment, postgres: int, *commands: str) -> AsyncIterator[tuple[Proxy, list[Forked]]]:
    """Each command in a process of its own with a full pipe, and a proxy before PostgreSQL; killed at the end.

    All are ready: a worker that PostgreSQL refuses at its start ends, and nothing here starts it again.
    """
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(postgres))
        url = deployment.environment["STANDING_DATABASE_URL"].replace(f":{postgres}/", f":{proxy.port}/")
        environment = {**os.environ, **deployment.environment, "STANDING_DATABASE_URL": url}
        ports = WORKERS + 1 if commands == ("work",) else len(commands)
        first = free_ports(ports)
        processes: list[Forked] = []
        try:
            for number, command in enumerate(commands):
                pipe, _ = stack.enter_context(unread_pipe())
                environment["STANDING_METRICS_PORT"] = str(first + number)
                processes.append(Forked((command,), env=environment, stderr=pipe))
            await asyncio.to_thread(
                until, lambda: all(ask(first + each, "/ready")[0] == 200 for each in range(ports))
            )
            yield proxy, processes
        finally:
            for each in processes:
                each.kill()
                await ended(each)


async def go_on_and_end(deployment: Deployment, postgres: int, *commands: str) -> None:
    """Facts are decided before and after PostgreSQL was away, and SIGTERM ends every process in time, in order."""
    async with unread(deployment, postgres, *commands) as (proxy, processes):
        await asyncio.to_thread(deployment.send, [enrolled("idle", "2016-03-01 10:00")])
        await asyncio.to_thread(deployment.drain)
        proxy.cut_at = lambda _: True
        proxy.cut_all()
        async with asyncio.timeout(60):
            while proxy.cuts < CUTS:  # noqa: ASYNC110  # the proxy tells nobody
                await asyncio.sleep(0.05)
        proxy.cut_at = never
        await asyncio.to_thread(deployment.send, [enrolled("clock", "2017-03-01 10:00", "other")])
        await asyncio.to_thread(deployment.drain)
        for each in processes:
            each.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            assert [await ended(each) for each in processes] == [0] * len(processes)
    kinds = {(each["account_id"], each["kind"]) for each in net(deployment.published()).values()}
    assert ("idle", "account_suspended") in kinds
    assert ("clock", "account_enrolled") in kinds


async def test_workers_run_and_end_while_nobody_reads_their_standard_error(
    deployment: Deployment, servers: LocalServers
) -> None:
    await go_on_and_end(deployment, servers.postgres.port, "ingest", "timers", "fanout", "relay")


async def test_a_process_tree_runs_and_ends_while_nobody_reads_its_standard_error(
    deployment: Deployment, servers: LocalServers
) -> None:
    await go_on_and_end(deployment, servers.postgres.port, "work")
