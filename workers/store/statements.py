"""The SQL that the engine runs: a file of `sql` for each statement, with a sentence that says what it does."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The SQL statement of that name."""
    return files("workers.store").joinpath("sql", f"{name}.sql").read_text()
