"""A Kafka and a PostgreSQL for faults: they may be killed and started again, and are reached through proxies.

Owns the second listener of the broker, whose advertised port is the proxy's; the tests themselves look straight at
the servers. Nothing here outlives the block.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.proxy import Proxy
from workers.local.guardian import Guardian
from workers.local.servers import LocalKafka, LocalPostgres, free_port


class ProxiedKafka(LocalKafka):
    """A broker with a second listener, `inner_port`, that it tells its clients to reach by `proxy_port`."""

    def __init__(self, directory: Path, guardian: Guardian) -> None:
        super().__init__(directory, guardian)
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


@dataclass(frozen=True, slots=True)
class FaultyServers:
    """Both servers, and the proxies before them."""

    kafka: ProxiedKafka
    postgres: LocalPostgres
    kafka_proxy: Proxy
    postgres_proxy: Proxy

    def environment(self, database: str) -> dict[str, str]:
        """The settings of workers that go through the proxies."""
        return {
            "STANDING_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.kafka_proxy.port}",
            "STANDING_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.postgres_proxy.port}/{database}",
        }


def made(guardian: Guardian) -> tuple[ProxiedKafka, LocalPostgres]:
    """The servers, not started yet."""
    directory = Path(tempfile.mkdtemp(prefix="standing-"))
    directory.chmod(0o711)  # PostgreSQL's user must reach its own directory below
    guardian.remove_at_end(directory)
    for name in ("kafka", "postgres"):
        (directory / name).mkdir()
    return ProxiedKafka(directory / "kafka", guardian), LocalPostgres(directory / "postgres", guardian)


@asynccontextmanager
async def faulty_servers() -> AsyncIterator[FaultyServers]:
    """Servers of one's own, in a directory that is removed at the end."""
    guardian = Guardian()
    kafka, postgres = made(guardian)
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
        guardian.close()
