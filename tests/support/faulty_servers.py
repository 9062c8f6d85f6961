"""A Kafka and a PostgreSQL for faults: they may be killed and started again, and are reached through proxies.

The broker has a second listener that advertises the proxy's port. The tests use the servers directly. Everything is
removed at the end of the block.
"""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.proxy import Proxy
from tests.support.quick_disk import quick_disk
from workers import timeouts
from workers.devservers.guardian import Guardian
from workers.devservers.servers import SOON, LocalKafka, LocalPostgres, free_port


class ProxiedKafka(LocalKafka):
    """A broker with a second listener, `inner_port`, that it tells its clients to reach by `proxy_port`."""

    def __init__(self, directory: Path, guardian: Guardian) -> None:
        super().__init__(directory, guardian)
        self.java = SOON
        self.inner_port, self.proxy_port = free_port(), free_port()

    def _configure(self) -> None:
        super()._configure()
        local = "://127.0.0.1:"
        settings = {
            "listeners": f"PLAINTEXT{local}{self.port},PROXIED{local}{self.inner_port},"
            f"CONTROLLER{local}{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT{local}{self.port},PROXIED{local}{self.proxy_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }
        with (self.directory / "server.properties").open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())


class MortalPostgres(LocalPostgres):
    """A PostgreSQL of which all processes can be killed together: its backends are in process groups of their own."""

    def kill(self) -> None:
        """kill -9 of the server and its backends; returns when all are gone."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        descriptors = [os.pidfd_open(int(each)) for each in children if Path(f"/proc/{each}").exists()]
        super().kill()
        for each in descriptors:
            with suppress(ProcessLookupError):  # gone by itself, as its server is
                signal.pidfd_send_signal(each, signal.SIGKILL)
            select.select([each], [], [], timeouts.SERVER_STOP_SECONDS)
            os.close(each)


@dataclass(frozen=True, slots=True)
class FaultyServers:
    """Both servers, and the proxies before them."""

    kafka: ProxiedKafka
    postgres: MortalPostgres
    kafka_proxy: Proxy
    postgres_proxy: Proxy

    def environment(self, database: str) -> dict[str, str]:
        """The settings of workers that go through the proxies."""
        return {
            "STANDING_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.kafka_proxy.port}",
            "STANDING_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.postgres_proxy.port}/{database}",
        }


class CannotMount(Exception):
    """Small disks cannot be made here."""


def small_disk(directory: Path, megabytes: int) -> None:
    """Put a disk of its own, in memory, under a directory; needs the right to mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMount(done.stderr.strip())


def remove_disks(*directories: Path) -> None:
    """Take small disks away again."""
    for each in directories:
        subprocess.run(["umount", "--lazy", str(each)], check=True)


def made(guardian: Guardian, megabytes: int | None = None) -> tuple[ProxiedKafka, MortalPostgres]:
    """The servers, not started yet; each on a small disk where a size is given."""
    directory = Path(tempfile.mkdtemp(prefix="standing-", dir=None if megabytes else quick_disk()))
    directory.chmod(0o711)  # PostgreSQL's user must reach its own directory below
    guardian.remove_at_end(directory)
    for name in ("kafka", "postgres"):
        (directory / name).mkdir()
        if megabytes is not None:
            small_disk(directory / name, megabytes)
    return ProxiedKafka(directory / "kafka", guardian), MortalPostgres(directory / "postgres", guardian)


@asynccontextmanager
async def faulty_servers(megabytes: int | None = None) -> AsyncIterator[FaultyServers]:
    """Servers of one's own, in a directory that is removed at the end; each on a small disk where a size is given."""
    guardian = Guardian()
    kafka, postgres = made(guardian, megabytes)
    try:
        kafka.start()
        postgres.start()
        async with (
            Proxy(kafka.inner_port, kafka.proxy_port) as kafka_proxy,
            Proxy(postgres.port) as postgres_proxy,
        ):
            yield FaultyServers(kafka, postgres, kafka_proxy, postgres_proxy)
    finally:
        kafka.stop()
        postgres.stop()
        if megabytes is not None:
            remove_disks(kafka.directory, postgres.directory)
        guardian.close()
