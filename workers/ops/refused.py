"""Errors that an operator must correct before a command or a worker can run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refused(Exception):
    """Printed as one line for each argument, without a traceback; the exit code is 2. The message says what to do."""


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Turn an OSError of the block into Refused with the file's name: the system names only a file it cannot open."""
    try:
        yield
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}") from error
