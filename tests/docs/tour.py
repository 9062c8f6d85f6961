"""The commands of the tour, and what the page says that they print.

Owns how a block is read and run; `test_tour` compares.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from tests.docs.generate import PROJECT

_BLOCK = re.compile(r"<!-- tour -->\n```console\n(.*?)```", re.DOTALL)
SILENT = ("standing drain", "python docs/examples/send.py")
"""Commands whose output is no part of the tour: a progress bar with times, or nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command and the lines it prints."""

    command: str
    output: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """The steps of every block, in order."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            found.append(Step(command, tuple(lines)))
    return found


def run(command: str, environment: Mapping[str, str]) -> Step:
    """Run a command as a reader of the page would; lines without their trailing white space."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=PROJECT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    lines = [] if command.startswith(SILENT) else done.stdout.splitlines()
    return Step(command, tuple(line.rstrip() for line in lines))
