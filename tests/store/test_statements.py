"""All SQL is in `workers/store/sql`: one statement a file, each with a sentence, and each is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

WORKERS = Path(__file__).parents[2] / "workers"
FILES = sorted((WORKERS / "store" / "sql").glob("*.sql"))
SQL = re.compile(
    r"\s*(select|insert into|update \w+ set|delete from|truncate|lock table|set local|listen|notify"
    r"|(create|alter|drop) (temporary |or replace )?(table|database|role|view|function|index))\s"
)


def texts() -> Iterator[tuple[Path, str]]:
    """Every string of the engine, parts of formatted ones too."""
    for path in sorted(WORKERS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def test_no_module_contains_sql() -> None:
    assert [(path.name, text) for path, text in texts() if SQL.match(text)] == []


def test_every_statement_begins_with_a_sentence_about_it() -> None:
    for path in FILES:
        comment = re.match(r"(-- [^\n]+\n)+", path.read_text())
        assert comment is not None, path.name
        assert comment[0].rstrip().endswith("."), path.name


def test_every_statement_is_run_by_something() -> None:
    used = {text for _, text in texts()}
    assert {path.stem for path in FILES} - used == set()
