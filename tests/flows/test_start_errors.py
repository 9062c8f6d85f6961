"""What a command says where it cannot start: one line on standard error, an exit code, no loop, no secret.

Owns the errors of the start alone. Of two servers one is there and the other refuses the connection or is silent.
"""

import os
import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewPartitions

from tests.support.deployment import STANDING, Deployment, net
from tests.support.facts import enrolled
from tests.support.status import until_status
from workers.devservers.stack import LocalServers

NOWHERE = {
    "STANDING_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "STANDING_DATABASE_URL": "postgresql://nobody:a-secret@127.0.0.1:1/none",
}
CANNOT_RUN, AWAY = 2, 1
"""The exit codes of an operator's command, and of a worker that ends for its supervisor to start it again."""
WITHOUT_KAFKA = {"setup": CANNOT_RUN, "status": CANNOT_RUN, "work": AWAY, "ingest": AWAY, "relay": AWAY}
WITHOUT_POSTGRES = {"setup": CANNOT_RUN, "work": AWAY, "timers": AWAY}


def start(command: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return Deployment(dict(environment)).start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_each_command_names_in_one_line_the_server_that_cannot_be_reached_and_ends(servers: LocalServers) -> None:
    there = servers.environment
    no_kafka = there | {"STANDING_KAFKA_BOOTSTRAP": NOWHERE["STANDING_KAFKA_BOOTSTRAP"]}
    no_postgres = there | {"STANDING_DATABASE_URL": NOWHERE["STANDING_DATABASE_URL"]}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        quiet = f"127.0.0.1:{silent.getsockname()[1]}"
        mute = there | {"STANDING_DATABASE_URL": f"postgresql://nobody:a-secret@{quiet}/none"}
        started = [
            *((start(name, no_kafka), "Kafka at 127.0.0.1:1", code) for name, code in WITHOUT_KAFKA.items()),
            *(
                (start(name, no_postgres), "PostgreSQL at 127.0.0.1:1", code)
                for name, code in WITHOUT_POSTGRES.items()
            ),
            (start("status", mute), f"PostgreSQL at {quiet}", CANNOT_RUN),
        ]
        try:
            ended = [process.communicate(timeout=100) for process, _, _ in started]
        finally:
            for process, _, _ in started:
                process.kill()
    for (process, server, code), (printed, said) in zip(started, ended, strict=True):
        assert (printed, process.returncode) == ("", code), f"{process.args!r}: {said}"
        reason = rf"standing: a server cannot be reached: {server} (\(PLAINTEXT\) )?cannot be reached: \S.*\n"
        assert re.fullmatch(reason, said), f"{process.args!r}: {said}"
        assert "a-secret" not in said


def test_a_topic_with_another_number_of_partitions_is_named_once_and_no_deadline_is_enforced(
    deployment: Deployment, tmp_path: Path
) -> None:
    topic = f"{deployment.prefix}order-status"
    admin = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    refused = deployment.standing("setup", check=False)
    assert (refused.returncode, refused.stderr) == (2, f"standing: topic {topic} has 5 partitions, not 4\n")
    deployment.send([enrolled("idle", "2016-03-01 10:00"), enrolled("clock", "2017-03-01 10:00", "other")])
    log = tmp_path / "log"
    with log.open("wb") as file, deployment.working(log=file) as supervisor:
        until_status(deployment, lambda _: "no deadline is enforced" in log.read_text())
        found = until_status(deployment, lambda found: not any(found["lag"].values()) and not found["unpublished"])
        assert supervisor.poll() is None
    assert found["watermark"] is None
    decided = [(each["kind"], each["account_id"]) for each in net(deployment.published()).values()]
    assert sorted(decided) == [("account_enrolled", "clock"), ("account_enrolled", "idle")]
    lines = log.read_text().splitlines()
    assert not [line for line in lines if "worker died" in line]
    [line] = [line for line in lines if "no deadline is enforced" in line]
    assert "order-status has 5 partitions, but 4 were set up" in line


def test_an_installation_without_the_codecs_is_one_line_and_no_loop(tmp_path: Path) -> None:
    (tmp_path / "cramjam.py").write_text("raise ModuleNotFoundError(\"No module named 'cramjam'\")")
    lacking = os.environ | NOWHERE | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [*STANDING, "ingest"], env=lacking, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 2  # so that `standing work` does not start it again
    assert ended.stderr.startswith("standing: No module named 'cramjam': the installation is incomplete")
    assert len(ended.stderr.splitlines()) == 1


def test_python_without_assertions_is_refused() -> None:
    """The engine's checks stay on in production."""
    without = os.environ | NOWHERE | {"PYTHONOPTIMIZE": "1"}
    ended = subprocess.run(
        [*STANDING, "status"], env=without, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == CANNOT_RUN
    assert ended.stderr.startswith("standing: Python runs without assertions (PYTHONOPTIMIZE or -O)")
    assert len(ended.stderr.splitlines()) == 1
