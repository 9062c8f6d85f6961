"""Fixed names for processes: the lowest free slot of this machine, held by a file lock.

A worker killed and started again finds its slot free and takes the same name, so Kafka hands it its
partitions back at once (static membership, KIP-345); two workers at a time never share one. A random part of the
name, kept beside the locks, tells machines of one host name apart. Names that are given can be given twice: a claim
says which process made it, so that the older of the two finds out and stands by.
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
    """Another process, which started later, has the name of this one."""


@dataclass(frozen=True, slots=True, order=True)
class _Process:
    """Who claimed partitions: when it started, by the database's clock, and where it runs."""

    started: int
    place: str


def owner_name(instance: str, started: int) -> str:
    """What this process writes where it claims partitions."""
    return f"{instance}@{started}@{socket.gethostname()}:{os.getpid()}"


def _read(owner: str) -> tuple[str, _Process | None]:
    """The name and the process; None for what another version wrote."""
    parts = owner.rsplit("@", 2)
    if len(parts) < 3 or not parts[1].isdecimal():
        return owner, None
    return parts[0], _Process(int(parts[1]), parts[2])


def stand_back(owner: str, owners: Iterable[str]) -> None:
    """Raise NameTaken where one of the owners has the same name, and started later."""
    instance, mine = _read(owner)
    for name, other in map(_read, owners):
        if name == instance and mine is not None and other is not None and other > mine:
            raise NameTaken(
                f"another ingest worker has the name {name} too and took over: {other.place} (host:process). "
                f"This one, {mine.place}, stands by until that is gone; give each a STANDING_INSTANCE of its own"
            )


@contextmanager
def take_slot(purpose: str, given: str | None = None) -> Iterator[str]:
    """A name that no other process of this machine uses for `purpose` meanwhile; `given` wins where set."""
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
    """What tells this machine from others of its host name: made once, and kept."""
    kept = directory / "identity"
    if not kept.exists():
        made = directory / uuid4().hex
        made.write_text(made.name[:8])
        with suppress(FileExistsError):  # another was quicker
            os.link(made, kept)
        made.unlink()
    return kept.read_text()
