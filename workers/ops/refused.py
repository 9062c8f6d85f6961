"""What an operator must mend before a command or a worker can run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refused(Exception):
    """Said in one line for each argument, with exit code 2, never in a traceback. The message says what to do."""


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file where reading or writing it fails: the system names one only that cannot be opened."""
    try:
        yield
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}") from error
