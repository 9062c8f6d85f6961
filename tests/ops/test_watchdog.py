"""The watchdog, in a process of its own that it may end."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ops.hanging import HANGS
from workers.ops.watchdog import EXIT_CODE

LIVES = HANGS.replace(
    "time.sleep(60)", "for _ in range(15): watchdog.turned('one'); watchdog.turned('another'); time.sleep(0.1)"
)
ONE_HANGS = HANGS.replace("time.sleep(60)", "while True: watchdog.turned('one'); time.sleep(0.1)")
NEVER_STARTS = HANGS.replace("range(3)", "range(0)")


@contextmanager
def start(program: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the program, and that is gone afterwards whatever the watchdog did."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_that_hangs_is_ended_with_every_stack_printed() -> None:
    with start(HANGS) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (EXIT_CODE, "alive\n")
    assert "made no progress for 2 seconds; ending the process\n" in err.splitlines(keepends=True)[0]
    assert 'File "<string>", line 11 in <module>' in err


def test_one_loop_that_hangs_is_enough() -> None:
    with start(ONE_HANGS) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (EXIT_CODE, "alive\n")
    assert err.startswith("the worker: another made no progress for 2 seconds; ending the process\n")


def test_a_process_that_does_not_start_is_ended() -> None:
    with start(NEVER_STARTS) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == EXIT_CODE
    assert err.startswith("the worker: start made no progress for 2 seconds; ending the process\n")


def test_a_process_whose_loops_make_progress_is_not_ended() -> None:
    with start(LIVES) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "alive\n", "")


def test_a_process_that_was_stopped_and_continued_is_not_ended() -> None:
    with start(LIVES) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)  # twice the limit
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
