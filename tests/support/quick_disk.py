"""Where servers of tests keep their files: in memory, where a commit does not wait for a disk.

A killed process loses nothing by that, and no test stops the machine.
"""

import shutil
from pathlib import Path

IN_MEMORY = Path("/dev/shm")  # noqa: S108  # servers make directories of their own in it
ENOUGH_BYTES = 4 << 30


def quick_disk() -> Path | None:
    """A directory in memory, or None where there is none that is large enough."""
    return IN_MEMORY if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ENOUGH_BYTES else None
