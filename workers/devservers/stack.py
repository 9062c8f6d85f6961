"""Both embedded servers together, for `standing stack`, `make run` and the tests."""

import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.devservers.guardian import Guardian
from workers.devservers.servers import THROUGHPUT, LocalKafka, LocalPostgres
from workers.kafka.security import KafkaAccess
from workers.ops.terminal import Terminal

DATABASE = "standing"


@dataclass(frozen=True, slots=True)
class LocalServers:
    """The running servers, and the settings to reach them."""

    kafka: LocalKafka
    postgres: LocalPostgres

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    @property
    def access(self) -> KafkaAccess:
        """The access settings of Kafka clients."""
        return KafkaAccess(self.bootstrap)

    @property
    def database_url(self) -> str:
        return self.postgres.url(DATABASE)

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as environment variables."""
        return {"STANDING_KAFKA_BOOTSTRAP": self.bootstrap, "STANDING_DATABASE_URL": self.database_url}


@contextmanager
def local_servers(disk: Path | None = None, java: Sequence[str] = THROUGHPUT) -> Iterator[LocalServers]:
    """Run Kafka and PostgreSQL on free loopback ports, in a directory on `disk` that is removed at the end."""
    guardian = Guardian()
    try:
        directory = Path(tempfile.mkdtemp(prefix="standing-", dir=disk))
        directory.chmod(0o711)  # PostgreSQL's user must reach its own directory below
        guardian.remove_at_end(directory)
        for name in ("kafka", "postgres"):
            (directory / name).mkdir()
        kafka = LocalKafka(directory / "kafka", guardian)
        kafka.java = java
        postgres = LocalPostgres(directory / "postgres", guardian)
        try:
            with ThreadPoolExecutor(2) as pool:
                for started in [pool.submit(kafka.start), pool.submit(postgres.start)]:
                    started.result()
            yield LocalServers(kafka, postgres)
        finally:
            with ThreadPoolExecutor(2) as pool:
                for stopped in [pool.submit(kafka.stop), pool.submit(postgres.stop)]:
                    stopped.result()
    finally:
        guardian.close()


def run_stack() -> None:
    """Run both servers until SIGINT or SIGTERM, and print the settings to reach them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with local_servers() as servers:
        for name, value in servers.environment.items():
            Terminal().line(f"{name}={value}")
        Terminal(error=True).line("# running until Ctrl-C; then all data is removed")
        try:
            signal.pause()
        except KeyboardInterrupt:
            return
