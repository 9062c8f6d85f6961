"""What a command says where it cannot start: one line on standard error, an exit code, no loop, no secret.

Owns the errors of the start alone. It needs no server: every address here refuses the connection.
"""

import os
import subprocess
from pathlib import Path

from tests.flows.engine import STANDING

NOWHERE = {
    "STANDING_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "STANDING_DATABASE_URL": "postgresql://nobody:a-secret@127.0.0.1:1/none",
}
EXIT_CODES = {"setup": 2, "status": 2, "work": 1, "ingest": 1, "relay": 1}
"""An operator's command cannot run (2); a worker ends for its supervisor to start it anew (1)."""


def test_each_command_says_in_one_line_that_kafka_cannot_be_reached_and_ends() -> None:
    started = {
        name: subprocess.Popen(
            [*STANDING, name], env=os.environ | NOWHERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in EXIT_CODES
    }
    try:
        ended = {name: process.communicate(timeout=100) for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
    for name, (printed, said) in ended.items():
        assert printed == "", name
        assert len(said.splitlines()) == 1, f"{name}: {said}"
        assert said.startswith("standing: a server cannot be reached: Kafka at 127.0.0.1:1 "), said
        assert "a-secret" not in said
    assert {name: process.returncode for name, process in started.items()} == EXIT_CODES


def test_an_installation_without_the_codecs_is_one_line_and_no_loop(tmp_path: Path) -> None:
    (tmp_path / "cramjam.py").write_text("raise ModuleNotFoundError(\"No module named 'cramjam'\")")
    lacking = os.environ | NOWHERE | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [*STANDING, "ingest"], env=lacking, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 2  # so that `standing work` does not start it anew
    assert ended.stderr.startswith("standing: No module named 'cramjam': this installation is not whole")
    assert len(ended.stderr.splitlines()) == 1
