"""One deployment that went through the scenario without a fault, as the checker sees it."""

from copy import deepcopy

import pytest

from tests.faults.deployment import Deployment
from tests.seen import Seen
from workers.local.stack import LocalServers


@pytest.fixture(scope="session")
async def untouched(servers: LocalServers) -> Seen:
    """What is seen after the scenario was played to its end."""
    async with Deployment.made(servers.bootstrap, servers.postgres, "untouched") as deployment:
        seen, verdict = await deployment.play()
        assert verdict.clean, f"{verdict}\n{deployment.tail()}"
        return seen


@pytest.fixture
def seen(untouched: Seen) -> Seen:
    """The same, to be damaged."""
    return deepcopy(untouched)
