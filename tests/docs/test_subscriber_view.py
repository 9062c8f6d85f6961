"""The view of the example subscriber, without a server: the suspended accounts by the rule of the README."""

import importlib.util
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "docs" / "examples" / "subscriber.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("subscriber", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def database(program: ModuleType) -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(program.TABLES)
        connection.execute("insert into offsets values ('suspensions', 0, 0), ('restorations', 0, 0)")
        yield connection


def decided(name: str, day: int, sequence: int, before: str, after: str) -> dict[str, Any]:
    at = f"2016-08-{day:02}T00:00:00.000000Z"
    standings = {"standing_before": before, "standing_after": after}
    return {"decision_id": name, "account_id": "zhang", "effective_at": at, "sequence": sequence} | standings


WITHDRAWN = {"withdraws": "first", "account_id": "zhang", "sequence": 4}


def suspended(program: ModuleType, database: sqlite3.Connection, *messages: dict[str, Any]) -> list[str]:
    """The suspended accounts after these messages, in any order of reading their topics."""
    for value in messages:
        name = "restorations" if value.get("standing_after") == "active" else "suspensions"
        (offset,) = database.execute("select next from offsets where topic = ?", [name]).fetchone()
        message = SimpleNamespace(
            topic=lambda of=name: of,
            partition=lambda: 0,
            offset=lambda at=offset: at,
            value=lambda said=value: json.dumps(said).encode(),
        )
        program.apply(database, message)
    return [row[0] for row in database.execute("select account from suspended")]


def test_the_latest_decision_counts_whatever_was_published_after_it(
    program: ModuleType, database: sqlite3.Connection
) -> None:
    first = decided("first", 20, 2, "active", "suspended")
    restored = decided("restored", 28, 3, "suspended", "active")
    moved = decided("moved", 25, 5, "active", "suspended")
    assert suspended(program, database, first, restored, WITHDRAWN, moved) == []


def test_of_one_instant_the_last_published_counts(program: ModuleType, database: sqlite3.Connection) -> None:
    restored = decided("restored", 20, 3, "suspended", "active")
    first = decided("first", 20, 2, "active", "suspended")
    assert suspended(program, database, restored, first) == []
    again = decided("again", 20, 5, "active", "suspended")
    assert suspended(program, database, WITHDRAWN, again) == ["zhang"]
