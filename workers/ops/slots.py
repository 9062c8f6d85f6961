"""Fixed names for processes: the lowest free slot of this machine, held by a file lock.

A worker killed and started again finds its slot free and takes the same name, so Kafka hands it its
partitions back at once (static membership, KIP-345); two workers at a time never share one.
"""

import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
            yield f"{socket.gethostname()}-{number}"
            return
