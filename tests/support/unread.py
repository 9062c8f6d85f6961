"""A standard error that nobody reads: a pipe of 4 KiB, full from the start."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

SIZE = 4096


@contextmanager
def unread_pipe() -> Iterator[tuple[IO[bytes], int]]:
    """The end that is written to, and the other one."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SIZE)
    os.write(writing, b"x" * SIZE)
    with os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0) as written:
        yield written, reading
