"""The documents say what the code says: tables, rule ids, links, and no rule without its place in the rulebook."""

import re
from pathlib import Path

import pytest

from contracts.kinds import DECISIONS
from contracts.topics import INPUT_TOPICS
from tests.docs.generate import DOCUMENTS, PROJECT, TABLES, commands, filled, settings, topics

RULEBOOK = (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8")
WRITTEN = sorted([PROJECT / "README.md", PROJECT / "CHANGELOG.md", *(PROJECT / "docs").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_of_a_document_are_those_of_the_code(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert text == filled(text), "run: python -m tests.docs.generate"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_stands_in_a_document(name: str) -> None:
    found = sum(f"<!-- {name}: generated -->\n" in document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert found == 1


def test_a_table_that_is_out_of_date_is_noticed() -> None:
    stale = "<!-- topics: generated -->\n| order-status |\n<!-- /topics -->"
    assert filled(stale) == f"<!-- topics: generated -->\n{topics()}\n<!-- /topics -->"


def test_the_tables_name_every_topic_setting_and_command() -> None:
    assert all(f"| `{name}` |" in topics() for name in INPUT_TOPICS)
    assert "| `STANDING_ALLOWED_LATENESS_SECONDS` | `600` |" in settings()
    assert "`standing explain ACCOUNT [--at AT] [--json]`" in commands()
    assert "`standing dead-letters show PLACE`" in commands()


def test_the_rulebook_defines_every_clause_a_decision_can_carry_once() -> None:
    clauses = {clause for each in DECISIONS for clause in each.clauses}
    defined = re.findall(r"^\| \*\*([A-Z])(\d+)\*\* \|", RULEBOOK, re.MULTILINE)
    assert clauses <= {letter + number for letter, number in defined}
    for first in {letter for letter, _ in defined}:
        numbers = [int(number) for letter, number in defined if letter == first]
        assert numbers == list(range(1, len(numbers) + 1)), f"the rules {first}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            missing.append(link)
    assert not missing


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_file_and_function_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:workers|contracts|tests|schemas|deploy|docs)/[a-z0-9_/.-]+\w)`", text))
    assert not [name for name in files if not (PROJECT / name).exists()]
    for function, name in re.findall(r"`(?:\w+\.)?(\w+)`\s\(`([\w/]+\.py)`", text):
        found = re.search(rf"(def|class) {function}\b", (PROJECT / name).read_text(encoding="utf-8"))
        assert found is not None, f"{function} in {name}"
