"""Stable process names: the lowest free slot of this machine, held by a file lock.

A restarted worker takes the slot that it had, so Kafka assigns it the same partitions without a rebalance (static
membership, KIP-345); no two running workers share one. A random part of the name, stored beside the locks,
distinguishes machines with one host name. A configured name can be given twice by mistake: each claim names its
process, so the older of the two detects it and stands by.
"""

import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


class NameTaken(Exception):
    """A process that started later has the same name."""


@dataclass(frozen=True, slots=True, order=True)
class _Process:
    """A process that claims partitions: when it started, by the database's clock, and `host:pid`."""

    started: int
    place: str


def owner_name(instance: str, started: int) -> str:
    """What this process writes as the owner of its partitions."""
    return f"{instance}@{started}@{socket.gethostname()}:{os.getpid()}"


def _read(owner: str) -> tuple[str, _Process | None]:
    """The name and the process; no process if another version wrote the owner."""
    parts = owner.rsplit("@", 2)
    if len(parts) < 3 or not parts[1].isdecimal():
        return owner, None
    return parts[0], _Process(int(parts[1]), parts[2])


def stand_back(owner: str, owners: Iterable[str]) -> None:
    """Raise NameTaken if one of the owners has the same name and started later."""
    instance, mine = _read(owner)
    for name, other in map(_read, owners):
        if name == instance and mine is not None and other is not None and other > mine:
            raise NameTaken(
                f"another ingest worker with the name {name} took over: {other.place} (host:process). "
                f"This one, {mine.place}, stands by until that one ends; give each its own STANDING_INSTANCE"
            )


@contextmanager
def take_slot(purpose: str, given: str | None = None) -> Iterator[str]:
    """Yield a name that no other process of this machine uses for `purpose` meanwhile, or `given` if it is set."""
    if given is not None:
        yield given
        return
    directory = Path(tempfile.gettempdir()) / f"standing-slots-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256(purpose.encode()).hexdigest()[:16]
    number = 0
    while True:
        with (directory / f"{digest}-{number}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            yield f"{socket.gethostname()}-{_kept_identity(directory)}-{number}"
            return


def _kept_identity(directory: Path) -> str:
    """A random identity of this machine, created once and stored."""
    kept = directory / "identity"
    if not kept.exists():
        made = directory / uuid4().hex
        made.write_text(made.name[:8])
        with suppress(FileExistsError):  # another process was faster
            os.link(made, kept)
        made.unlink()
    return kept.read_text()
