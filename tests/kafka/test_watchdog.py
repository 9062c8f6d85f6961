"""The watchdog, in a process of its own that it may end."""

import signal
import subprocess
import sys
import time

from workers.kafka.watchdog import EXIT_CODE

HANGS = """
import time
from workers.kafka.watchdog import Watchdog
with Watchdog("the loop", 2) as watchdog:
    for _ in range(30):
        watchdog.progress()
        time.sleep(0.1)
    print("alive", flush=True)
    time.sleep(60)
"""
LIVES = HANGS.replace("time.sleep(60)", "watchdog.progress()")


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_process_that_hangs_is_ended_with_every_stack_printed() -> None:
    with start(HANGS) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (EXIT_CODE, "alive\n")
    assert err.startswith("the loop made no progress for 2 seconds; ending the process\n")
    assert 'File "<string>", line 9 in <module>' in err


def test_a_process_that_makes_progress_lives() -> None:
    with start(LIVES) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "alive\n", "")


def test_a_process_that_was_stopped_and_continued_lives() -> None:
    with start(LIVES) as process:
        time.sleep(1)  # in the middle of its three seconds
        process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "alive\n", "")
