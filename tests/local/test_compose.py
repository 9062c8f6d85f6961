"""`docker-compose.yml` runs one service for each worker; checked by the plugin itself where it is installed."""

import shutil
import subprocess
from pathlib import Path

import yaml

from workers.settings import Settings
from workers.wiring import worker_processes

PROJECT = Path(__file__).parents[2]


def test_compose_has_one_service_for_each_worker_that_waits_for_the_setup() -> None:
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    workers = {worker.name for worker in worker_processes(Settings())}
    assert set(services) == workers | {"kafka", "postgres", "setup"}
    assert services["kafka"]["image"] == "apache/kafka:4.3.1"
    assert services["postgres"]["image"].startswith("postgres:18")
    for worker in workers:
        assert services[worker]["command"] == [worker]
        assert services[worker]["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}
    known = {f"STANDING_{name.upper()}" for name in Settings.model_fields}
    assert set(services["ingest"]["environment"]) <= known


def test_compose_accepts_the_file_where_the_plugin_is_installed() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return  # the structure is checked above
    done = subprocess.run(
        [docker, "compose", "config", "--quiet"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
