"""How a company key is stored: verbatim if it fits an index, otherwise as its hash.

A name of 256 characters can have 4,600 after NFKC; an entry of a PostgreSQL index holds 2,704 bytes. Messages
always contain the key itself, which the company's terminations keep.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import TypeVar

from workers.store.records import CurrentDecision, LogRow

Row = TypeVar("Row", CurrentDecision, LogRow)

LONGEST = 256
"""Characters, of at most four bytes each; account ids have at most half as many."""


def stored_key(key: str) -> str:
    """The stored form of a company key; a stored form stays the same.

    Company keys begin with `id:` or `name:`, so none begins with `sha256:`.
    """
    return key if len(key) <= LONGEST else f"sha256:{sha256(key.encode()).hexdigest()}"


def stored(rows: Iterable[Row]) -> list[Row]:
    """The rows with stored keys; the hashes of the log cover the published message, which has no subject."""
    return [
        each if len(each.subject) <= LONGEST else each._replace(subject=stored_key(each.subject)) for each in rows
    ]
