"""`make run`, played small: every story of the cast ends as the rulebook says, dates worked out by hand."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("own_servers")


def test_the_cast_tells_the_rulebook_and_nothing_is_left_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.demo.demonstration", "--once", "--accounts", "40"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "COLUMNS": "1000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output
    lines = [line.strip() for line in output.splitlines()]
    enrolled = "2016-03-01 enrolled (E1); "
    suspended = f"{enrolled}2016-09-07 suspended (S1)"
    granted = f"{suspended}; 2016-09-10 activation granted, expires at 2016-09-26 (S3); "
    expired = f"{granted}2016-09-26 reactivation expired, locked out until 2016-10-27 (S5); "
    answers = (
        "2016-08-30 reapplication refused (too_early), not before 2016-08-31 (T3); "
        "2016-08-31 reapplication accepted (T3)"
    )
    for told in (
        f"zhang-idle: {suspended}",
        f"li-lockout: {expired}2016-10-05 restored (S2)",
        f"wang-lastday: {granted}2016-09-25 restored (S4)",
        f"zhao-toolate: {expired}2016-09-26 restored (S2)",
        f"chen-one: {enrolled}2016-06-01 terminated, reapply from 2016-08-31 (T2)",
        f"chen-two: {enrolled}2016-06-01 terminated, reapply from 2016-08-31 (T2); {answers}",
        f"sun-light: {enrolled}2016-07-01 terminated, reapply from 2016-09-30 (T2)",
        f"zhou-wronged: {enrolled}2016-06-10 terminated, reapply from 2016-09-09 (T2); 2016-06-25 reinstated (X3)",
        f"wu-onetouch: {enrolled}2016-12-03 suspended (S1)",
        # 20 August and 180 days: 11 + 30 + 31 + 30 + 31 + 31 = 164 to 31 January, 16 February is the 180th
        f"zheng-late: {enrolled}2017-02-17 suspended (S1)",
    ):
        assert any(line.startswith(told) for line in lines), f"{told}\n{output}"
    late = next(line for line in lines if line.startswith("zheng-late"))
    assert "published and withdrawn: " in late
    assert "suspended of 2016-09-07" in late
