"""What commands take: the start of `standing status` and `standing explain`, and `standing replay` of a file."""

import json
import statistics
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.deployment import Deployment, run
from benchmarks.measure import Figure
from benchmarks.messages import enrolment, seller
from workers.devservers.stack import LocalServers

STARTS = 10
DAYS = 3650
"""Of the history that is replayed: in ten years an account has some 150 orders and few other facts."""


def start(console: Console, servers: LocalServers) -> list[Figure]:
    """Seconds from start to end of commands that print what is stored, of a deployment at work."""
    deployment = Deployment(servers, "start", "wall")
    deployment.set_up()
    found = []
    with console.status("start of commands"), deployment.running("workers.cli", "work"):
        deployment.send([enrolment(seller(0), "c0")])
        deployment.run("workers.cli", "drain", "--timeout", "60")
        for command in (["status"], ["explain", seller(0)]):
            took = []
            for _ in range(STARTS + 1):
                took.append(deployment.run("workers.cli", *command).seconds)
            found.append(Figure(f"standing {command[0]}", statistics.median(took[1:]), "s", at_most=0.5))
    return found


def replay(console: Console, servers: LocalServers, facts: int) -> list[Figure]:
    """Facts a second and peak memory of `standing replay`, for a generated history of mostly orders."""
    del servers  # it reads a file and needs none
    with tempfile.TemporaryDirectory(prefix="standing-replay-") as directory, console.status(f"replay of {facts:,}"):
        history, decisions = Path(directory, "history.jsonl"), Path(directory, "decisions.jsonl")
        run({}, "workers.cli", "generate", "--facts", str(facts), "--days", str(DAYS), "--out", str(history))
        ran = run({}, "workers.cli", "replay", str(history), "--write", str(decisions), "--json")
    found = json.loads(ran.output)
    what = f"replay of {found['facts']:,} facts"
    return [
        Figure(what, found["facts"] / found["seconds"], "a second", at_least=100_000),
        Figure(f"{what}: most memory", ran.megabytes, "MB"),
    ]
