"""How a company's key is stored: as it is, where it fits an index.

A name of 256 characters can be some 4,600 after NFKC; a row of PostgreSQL's index holds 2,704 bytes. What is
published always has the key itself, from the company's terminations.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import TypeVar

from workers.store.records import CurrentDecision, LogRow

Row = TypeVar("Row", CurrentDecision, LogRow)

LONGEST = 256
"""In characters, of four bytes at most; account ids have half of it."""


def stored_key(key: str) -> str:
    """What stands for the key in the database; a key in its stored form stands for itself.

    No key but a stored one begins with `sha256:` (Words: `id:` or `name:`).
    """
    return key if len(key) <= LONGEST else f"sha256:{sha256(key.encode()).hexdigest()}"


def stored(rows: Iterable[Row]) -> list[Row]:
    """The rows as they are stored; a log's hashes are over what is published, which the subject is no part of."""
    return [
        each if len(each.subject) <= LONGEST else each._replace(subject=stored_key(each.subject)) for each in rows
    ]
