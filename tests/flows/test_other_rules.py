"""Changes that would judge the past differently are refused in one line, by workers and by `standing setup`.

Owns that the settings and the installed packages are what is compared; tests/store/test_deployment.py has the rules.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import tzdata

from tests.support.databases import WRITTEN, rows
from tests.support.deployment import Deployment, refusal
from tests.support.facts import enrolled
from tests.support.policies import POLICIES, PROJECT
from workers.rules import RULES_VERSION

TZDATA = tzdata.__version__


def other_policies(deployment: Deployment, directory: Path) -> Deployment:
    """The same program with an edited policy."""
    shutil.copytree(POLICIES, directory)
    with (directory / "2016-02.toml").open("a") as file:
        file.write("# edited\n")
    return replace(deployment, environment=deployment.environment | {"STANDING_POLICIES": str(directory)})


def other_rules(deployment: Deployment, directory: Path) -> Deployment:
    """The packages, whose rules judge otherwise."""
    for package in ("workers", "contracts", "schemas"):
        shutil.copytree(PROJECT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    rules = directory / "workers" / "rules" / "__init__.py"
    raised, count = re.subn(r"(?m)^RULES_VERSION = \d+$", f"RULES_VERSION = {RULES_VERSION + 1}", rules.read_text())
    assert count == 1
    rules.write_text(raised)
    return replace(deployment, program=directory)


def other_time_zones(deployment: Deployment, directory: Path) -> Deployment:
    """The same packages, installed with newer time zone data."""
    package = directory / "tzdata"
    shutil.copytree(Path(tzdata.__file__).parent, package)
    (package / "__init__.py").write_text('__version__ = "2099.1"\n')
    return replace(deployment, program=directory)


async def test_neither_a_worker_nor_setup_continues_with_rules_that_would_judge_the_past_differently(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.send([enrolled("a", "2016-03-01 10:00")])
    with deployment.working():
        deployment.drain()
    before = await rows(deployment, WRITTEN)
    others = [
        (other_policies, "the policies are not those", "policy '2016-02' is changed"),
        (other_rules, f"rules_version is {RULES_VERSION + 1}, but", f"rules_version changes from {RULES_VERSION} to"),
        (other_time_zones, "tzdata_version is '2099.1', but", f"tzdata_version changes from {TZDATA} to 2099.1"),
    ]
    for other, start, adoption in others:
        made = other(deployment, tmp_path / other.__name__)
        assert refusal(made, "timers").startswith(f"standing: {start}")
        assert refusal(made, "setup").startswith(f"standing: {adoption}")
    assert await rows(deployment, WRITTEN) == before
