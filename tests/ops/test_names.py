"""Names of ingest workers: one for each process, kept across restarts; of two processes with one name the older
stands by.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.ops.slots import NameTaken, owner_name, stand_back

TAKES = """
import json, sys
from workers.ops.slots import take_slot
with take_slot("a group") as one, take_slot("a group") as other, take_slot("a group", "given") as given:
    print(json.dumps([one, other, given]))
"""


def names(machine: Path) -> list[str]:
    """What two workers of a machine are called: a machine is a directory for temporary files."""
    machine.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(machine)}
    done = subprocess.run([sys.executable, "-c", TAKES], env=environment, capture_output=True, check=True, timeout=20)
    found: list[str] = json.loads(done.stdout)
    return found


def test_machines_with_one_host_name_use_different_names_and_keep_them(tmp_path: Path) -> None:
    one, other = names(tmp_path / "one"), names(tmp_path / "other")
    assert len({*one, *other}) == 5, "the name that is given is the same"
    assert names(tmp_path / "one") == one
    assert names(tmp_path / "other") == other


def test_the_older_of_two_processes_with_one_name_stands_by() -> None:
    older, newer = owner_name("a@name", 1_000), "a@name@1001@host:7"
    with pytest.raises(NameTaken, match=r"the name a@name took over: host:7 .*STANDING_INSTANCE"):
        stand_back(older, ["another@5000@host:1", newer])
    stand_back(newer, [older, "a@name", "a@name@999@host:9"])
    stand_back(older, [older, "another@5000@host:1", "a@name", "b@name@2000@host:1"])
