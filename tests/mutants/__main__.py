"""`make mutants`: puts one fault after the other into a copy of the project and sees whether its tests notice.

Owns the copies and the verdict. A patch is killed where pytest says that tests failed; it survives where all pass.
Anything else (it cannot be imported, no test is found, it takes too long) is a broken patch. First the tests that
are named must pass without a patch.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.mutants.patches import PROJECT, BadPatch, Patch, chosen, read_patches
from tests.support.lent_servers import RUNNING
from tests.support.quick_disk import quick_disk
from workers.devservers.servers import SOON
from workers.devservers.stack import LocalServers, local_servers

LIMIT_SECONDS = 300.0
"""For the tests of one patch."""
PASSED, FAILED = 0, 1
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".cache", ".standing", ".*_cache", ".hypothesis", "__pycache__")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The tests' verdict on one patch."""

    name: str
    said: str  # killed, survived, broken
    seconds: float
    output: str


def copied(directory: Path) -> Path:
    """A copy of the project as it stands on disk, committed or not."""
    return Path(shutil.copytree(PROJECT, directory / "standing", ignore=_NOT_COPIED, symlinks=True))


def pytest_in(
    copy: Path, tests: tuple[str, ...], limit: float = LIMIT_SECONDS, servers: LocalServers | None = None
) -> tuple[int | None, str]:
    """The exit code of pytest in a copy, and what it printed; None where it took too long."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),  # before the project that is installed
        "STANDING_CACHE": os.environ.get("STANDING_CACHE", str(PROJECT / ".cache")),
    }
    if servers is not None:
        environment[RUNNING] = f"{servers.bootstrap} {servers.postgres.url('')[:-1]}"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()  # its servers see its end and end too
            return None, f"took over {limit:.0f} s"
    return process.returncode, output


def judged(patch: Patch, copy: Path, servers: LocalServers | None = None) -> Verdict:
    """Put a patch into a copy, run its tests, and take it out again."""
    began = time.monotonic()
    file = copy / patch.file
    whole = file.read_text(encoding="utf-8")
    _rewrite(file, patch.patched(whole))
    try:
        code, output = pytest_in(copy, patch.killed_by, servers=servers)
    finally:
        _rewrite(file, whole)
    said = {PASSED: "survived", FAILED: "killed"}.get(-1 if code is None else code, "broken")
    return Verdict(patch.name, said, time.monotonic() - began, output)


def _rewrite(file: Path, text: str) -> None:
    """Write a file; what was compiled of it goes, for size and second may be those of the text before."""
    file.write_text(text, encoding="utf-8")
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def run(patches: list[Patch], jobs: int, console: Console) -> list[Verdict]:
    """Judge all patches, so many at a time, each in a copy that no other uses meanwhile."""
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    verdicts: list[Verdict] = []

    def one(patch: Patch) -> Verdict:
        copy = copies.get()
        try:
            return judged(patch, copy, servers)
        finally:
            copies.put(copy)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="standing-mutants-") as directory,
        ThreadPoolExecutor(jobs) as pool,
        Progress(*columns, console=console) as progress,
        local_servers(quick_disk(), SOON) as servers,
    ):
        task = progress.add_task("without a patch", total=len(patches))
        for number in range(jobs):
            copies.put(copied(Path(directory) / str(number)))
        tests = tuple(sorted({test for patch in patches for test in patch.killed_by}))
        code, output = pytest_in(Path(directory) / "0" / "standing", tests, LIMIT_SECONDS * 4, servers)
        if code != PASSED:
            raise BadPatch(f"the tests do not pass without a patch:\n{output}")
        progress.update(task, description="patches")
        for verdict in pool.map(one, patches):
            verdicts.append(verdict)
            progress.advance(task)
            if verdict.said != "killed":
                progress.console.print(f"{verdict.said}: {verdict.name}", markup=False)
                progress.console.print(verdict.output[-2000:], markup=False, highlight=False)
    return verdicts


def main() -> int:
    """Run the list, or a part of it; the exit code is 0 where every patch was killed."""
    options = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    options.add_argument(
        "--only", default="", help="those whose name or file has one of these words, comma separated"
    )
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    given = options.parse_args()
    console, began = Console(), time.monotonic()
    try:
        patches = chosen(read_patches(), given.only)
        verdicts = run(patches, max(1, min(given.jobs, len(patches))), console)
    except BadPatch as error:
        console.print(str(error), markup=False)
        return 1
    for each in sorted(verdicts, key=lambda verdict: -verdict.seconds):
        console.print(f"{each.seconds:6.1f} s  {each.said:8}  {each.name}", markup=False, highlight=False)
    counts = {said: sum(each.said == said for each in verdicts) for said in ("killed", "survived", "broken")}
    told = ", ".join(f"{count} {said}" for said, count in counts.items())
    console.print(f"{len(verdicts)} patches: {told}, in {time.monotonic() - began:.0f} s", highlight=False)
    return 0 if verdicts and counts["killed"] == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
