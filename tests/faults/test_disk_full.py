"""The disk of PostgreSQL or of Kafka is full for a while: nothing is lost, and work continues when there is space
again.

The disks are small ones in memory, so these tests need the right to mount one, and are left out where they may not.
A server that gave up is started again by the test, as its own supervisor would; the workers do the rest.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.deployment import FaultyDeployment
from tests.faults.load import under_load
from tests.support.faulty_servers import CannotMount, FaultyServers, MortalPostgres, ProxiedKafka, faulty_servers
from tests.support.long import long

MEGABYTES = 600
FULL_SECONDS = 5


@pytest.fixture(scope="module")
async def cramped(own_servers: None) -> AsyncIterator[FaultyServers]:
    """Servers on small disks."""
    try:
        async with faulty_servers(MEGABYTES) as servers:
            yield servers
    except CannotMount as error:
        pytest.skip(f"small disks cannot be mounted here: {error}")


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """No byte is left on a disk while the block runs."""
    ballast = directory / "ballast"
    with ballast.open("wb") as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
    assert shutil.disk_usage(directory).free < 4096
    try:
        yield
    finally:
        ballast.unlink()


@long
@pytest.mark.parametrize("name", ["postgres", "kafka"])
async def test_the_disk_of_a_server_is_full_for_a_while(cramped: FaultyServers, name: str) -> None:
    server: MortalPostgres | ProxiedKafka = getattr(cramped, name)

    async def fault() -> None:
        with full(server.directory):
            await deployment.observed(
                lambda: not server.is_running or "No space left on device" in deployment.output()
            )
            await asyncio.sleep(FULL_SECONDS)
        if not server.is_running:
            print(f"{name} ended by itself")
            await asyncio.to_thread(server.start)

    async with FaultyDeployment.made(cramped.kafka.bootstrap, cramped.postgres, f"full_{name}") as deployment:
        await under_load(deployment, fault)
