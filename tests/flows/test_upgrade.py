"""A new version of the schema is set up while workers of the version before are at work: they write no more and end.

Owns the order of an upgrade. The newer version is a copy of this one with one migration more.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from tests.support.checker import check
from tests.support.databases import WRITTEN, rows, url_of
from tests.support.deployment import Deployment, refusal
from tests.support.facts import enrolled, paid
from tests.support.policies import POLICIES, PROJECT

MIGRATION = "9999-newer.sql"
SELLERS = [f"seller-{number:04}" for number in range(500)]


def newer_version(directory: Path) -> Path:
    """The packages, with a migration that adds to tables at work what its code does not need."""
    for package in ("workers", "contracts", "schemas"):
        shutil.copytree(PROJECT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    changes = (f"alter table {table} add column newer integer;" for table in ("accounts", "positions", "companies"))
    (directory / "schemas" / "postgres" / MIGRATION).write_text("\n".join(changes))
    return directory


async def test_a_newer_setup_under_working_workers_ends_them_and_the_newer_ones_go_on(
    deployment: Deployment, tmp_path: Path
) -> None:
    newer = replace(deployment, program=newer_version(tmp_path))
    deployment.send(enrolled(each, "2016-03-01 10:00", company=each) for each in SELLERS)
    with deployment.working() as older:
        deployment.drain()
        assert refusal(newer, "work").endswith("run `standing setup` first")
        deployment.send(paid(each, "2016-03-02 10:00") for each in SELLERS)
        done = newer.standing("setup").stdout
        assert "migrated 9999-newer" in done
        assert "workers that started before stop" in done
        deployment.send(paid(each, "2017-03-02 10:00") for each in SELLERS)
        assert older.wait(60) == 2
    before = await rows(deployment, WRITTEN)
    for command in ("setup", "work", "status", "relay"):
        assert "run the newer" in refusal(deployment, command), command
    assert await rows(deployment, WRITTEN) == before
    with newer.working():
        newer.drain()
    verdict = await check(
        deployment.environment["STANDING_KAFKA_BOOTSTRAP"], url_of(deployment), deployment.prefix, POLICIES
    )
    assert verdict.clean, str(verdict)
    assert verdict.figures["facts"] == 3 * len(SELLERS)
