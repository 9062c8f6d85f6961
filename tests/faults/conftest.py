"""Servers that tests kill and disturb, deployments that reach them through proxies, and an undisturbed one."""

import os
from collections.abc import AsyncIterator
from copy import deepcopy

import pytest

from tests.faults.deployment import FaultyDeployment
from tests.support.faulty_servers import FaultyServers, faulty_servers
from tests.support.seen import Seen
from workers.devservers.stack import LocalServers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which faults were left out, and why. A disk that cannot be mounted is no failure, but proves nothing."""
    if os.environ.get("FAULTS") == "all":
        skipped = terminalreporter.stats.get("skipped", [])
        terminalreporter.section("faults that were left out")
        terminalreporter.line("\n".join(f"{each.nodeid}: {each.longrepr[2]}" for each in skipped) or "none")


@pytest.fixture(scope="session")
async def faulty() -> AsyncIterator[FaultyServers]:
    """Servers that tests kill and disturb."""
    async with faulty_servers() as servers:
        yield servers


@pytest.fixture
async def deployment(faulty: FaultyServers, request: pytest.FixtureRequest) -> AsyncIterator[FaultyDeployment]:
    """A deployment whose workers go through the proxies."""
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    made = FaultyDeployment.made(faulty.kafka.bootstrap, faulty.postgres, name, **faulty.environment(name))
    async with made as deployment:
        yield deployment
        for proxy in (faulty.kafka_proxy, faulty.postgres_proxy):
            proxy.reset()


@pytest.fixture(scope="session")
async def untouched(servers: LocalServers) -> Seen:
    """What is seen after the scenario was played to its end."""
    async with FaultyDeployment.made(servers.bootstrap, servers.postgres, "untouched") as deployment:
        seen, verdict = await deployment.play()
        assert verdict.clean, f"{verdict}\n{deployment.tail()}"
        return seen


@pytest.fixture
def seen(untouched: Seen) -> Seen:
    """The same, to be damaged."""
    return deepcopy(untouched)
