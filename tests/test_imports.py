"""Tests stand alone: what several of them need is in `tests/support` or in a module beside them. And what a command
imports: each of the large libraries costs it a tenth of a second.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def imported(file: Path) -> set[str]:
    """The names of the modules that a file imports, and of what it imports from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{each.name}" for each in node.names} | {str(node.module)}
    return found


def is_test_module(name: str) -> bool:
    """Whether a dotted name leads into a module that pytest collects."""
    parts = name.split(".")
    return parts[0] == "tests" and any(each == "conftest" or each.startswith("test_") for each in parts[1:])


def test_nothing_imports_a_test_module() -> None:
    wrong = {
        f"{file.relative_to(TESTS)} imports {name}"
        for file in TESTS.rglob("*.py")
        for name in imported(file)
        if is_test_module(name)
    }
    assert wrong == set()


def test_shared_test_code_imports_no_directory_of_tests_except_the_model() -> None:
    shared = {each for file in (TESTS / "support").rglob("*.py") for each in imported(file)}
    from_tests = {each.split(".")[1] for each in shared if each.startswith("tests.")}
    assert from_tests <= {"model", "support"}


@pytest.mark.parametrize(
    "needed",
    [
        "workers.settings, workers.wiring, workers.checkpoints, workers.commands.status, workers.commands.show",
        "workers.settings, workers.wiring, workers.codec.policies, workers.commands.explain, workers.commands.show",
    ],
    ids=["status", "explain"],
)
def test_a_command_starts_without_the_libraries_that_only_workers_need(needed: str) -> None:
    large = {"aiokafka", "email", "faststream", "pydantic", "rich.console"}
    script = f"import sys, workers.cli, {needed}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "workers.cli" in done.stdout.split()
    assert not large & set(done.stdout.split())
