"""A process that has imported all that a worker needs, and waits to take the place of one that dies.

The supervisor keeps one: its imports take longer than all else that a restarted worker does before it works.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

NEEDED = (
    "uvloop",
    "workers.run_worker",
    "workers.codec.decoding",
    "workers.codec.policies",
    "workers.enforcement.process",
    "workers.ingest.worker",
    "workers.kafka.consumer",
)
"""What `workers.run_worker` imports only when it is needed, and that itself."""


def order(name: str, environment: Mapping[str, str]) -> bytes:
    """What tells a spare process which worker to be."""
    return json.dumps([name, environment]).encode() + b"\n"


def wait() -> str | None:
    """Import everything, and return the name of the worker to be, in its environment; None if none is needed."""
    for name in NEEDED:
        import_module(name)
    if not (said := sys.stdin.readline()):
        return None
    name, environment = json.loads(said)
    os.environ.update(environment)
    with suppress(OSError):  # where the system has it: the name that `ps` and `top` show
        Path("/proc/self/comm").write_text(name)
    return str(name)
