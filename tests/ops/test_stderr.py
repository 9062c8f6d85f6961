"""Writing to standard error never blocks, and a late reader gets the newest lines."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.hanging import HANGS
from tests.support.unread import SIZE, unread_pipe
from workers.ops.stderr import QueuedStderr
from workers.ops.watchdog import EXIT_CODE

LOGS = """
import logging, os, sys
from workers.ops import logs
log = logs.configure("a worker")
for number in range(10_000):
    log.warning("a line", number=number, padding="x" * 100)
os.write(1, b"logged")
os.read(0, 1)
raise ValueError("the last words")
"""
ENDS_SOON = """
from workers import timeouts
timeouts.STDERR_SECONDS = 0.2
"""
SAYS_TWICE = """
import logging
from workers.ops import logs
logs.configure("a worker")
for _ in range(3):
    logging.getLogger("aiokafka.consumer.fetcher").warning("Unexpected error while fetching data: %s", "Name")
logging.getLogger("aiokafka.consumer.fetcher").warning("Unexpected error while fetching data: %s", "Other")
"""
CLOSED = """
import os, socket, sys
from workers.ops import logs
from workers.ops.stderr import open_standard_descriptors
open_standard_descriptors()
one, other = socket.socketpair()
assert one.fileno() > 2, one.fileno()
logs.configure("a worker").error("a line")
print("printed")
"""


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_late_reader_gets_the_newest_lines_and_the_number_of_the_others() -> None:
    with (
        unread_pipe() as (unread, reading),
        subprocess.Popen(program(LOGS), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=unread) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(6) == b"logged"  # all of it, though nobody read
        unread.close()
        process.stdin.close()
        read = b"".join(iter(lambda: os.read(reading, 65536), b""))[SIZE:].decode()
        assert process.wait(20) == 1
    lines = read.splitlines()
    assert lines[-1] == "ValueError: the last words"
    logged = [json.loads(line)["number"] for line in lines if line.startswith("{")]
    assert logged[-1] == 9_999
    dropped = sum(int(line.split()[1]) for line in lines if line.startswith("standing: "))
    assert dropped > 0
    assert len(logged) + dropped == 10_000


def test_a_process_ends_though_nobody_reads_its_last_lines() -> None:
    with unread_pipe() as (unread, _):
        ended = subprocess.run(
            program(ENDS_SOON + LOGS), input=b"", stdout=subprocess.PIPE, stderr=unread, timeout=20, check=False
        )
    assert (ended.returncode, ended.stdout) == (1, b"logged")


def test_the_watchdog_ends_a_process_while_nobody_reads_its_standard_error() -> None:
    with unread_pipe() as (unread, _):
        ended = subprocess.run(
            program(ENDS_SOON + HANGS), stdout=subprocess.PIPE, stderr=unread, timeout=20, check=False
        )
    assert (ended.returncode, ended.stdout) == (EXIT_CODE, b"alive\n")


def test_what_a_library_warns_of_is_logged_once_a_minute_for_each_text() -> None:
    done = subprocess.run(program(SAYS_TWICE), capture_output=True, text=True, timeout=20, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [each["event"].split()[-1] for each in said] == ["Name", "Other"]
    assert {(each["worker"], each["level"], each["logger"]) for each in said} == {
        ("a worker", "warning", "aiokafka.consumer.fetcher")
    }


def test_descriptors_that_the_caller_closed_are_given_to_no_connection() -> None:
    for closed in ("2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, CLOSED], timeout=20, check=False
        )
        assert done.returncode == 0, closed


def test_neither_a_closed_pipe_nor_a_full_disk_ends_a_process() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone, Path("/dev/full").open("wb") as full:
        for broken in (gone, full):
            done = subprocess.run(program(CLOSED), stdout=subprocess.PIPE, stderr=broken, timeout=20, check=False)
            assert (done.returncode, done.stdout) == (0, b"printed\n")


def test_lines_that_a_full_disk_did_not_take_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    with file.open("wb") as log:
        really = os.write
        full = [True]

        def write(descriptor: int, line: bytes) -> int:
            if descriptor == log.fileno() and full[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            return really(descriptor, line)

        monkeypatch.setattr(os, "write", write)
        queued = QueuedStderr(log.fileno())
        queued.write("first\nsecond\n")
        assert queued.finish()
        full[0] = False
        queued.write("third\n")
        assert queued.finish()
    assert file.read_text() == "standing: 2 lines dropped: nobody read standard error\nthird\n"
