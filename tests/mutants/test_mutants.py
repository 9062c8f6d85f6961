"""The list of wrong patches cannot rot: each still applies, says what it breaks, and names tests that exist."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.__main__ import copied, judged, pytest_in
from tests.mutants.patches import PROJECT, BadPatch, Patch, chosen, read_patches

PATCHES = read_patches()


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_of_the_list_applies_and_names_tests_that_exist(patch: Patch) -> None:
    text = (PROJECT / patch.file).read_text(encoding="utf-8")
    assert patch.patched(text) != text
    assert not patch.file.startswith("tests/"), "a fault of the engine, not of its tests"
    assert patch.meets.endswith(".")
    for test in patch.killed_by:
        file, _, name = test.partition("::")
        assert (PROJECT / file).exists()
        assert not name or f"def {name.partition('[')[0]}(" in (PROJECT / file).read_text(encoding="utf-8")


FINE = Patch(
    "fine",
    "workers/rules/calendar.py",
    "local_ordinal(start, zone) + days + 1",
    "days + local_ordinal(start, zone) + 1",
    "Nothing.",
    ("tests/rules/test_calendar.py",),
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    return copied(tmp_path_factory.mktemp("copy"))


@pytest.mark.parametrize(
    ("new", "tests", "said"),
    [
        (FINE.new, FINE.killed_by, "survived"),
        ("local_ordinal(start, zone) + days + 2", FINE.killed_by, "killed"),
        ("local_ordinal(start, zone) +", FINE.killed_by, "broken"),
        ("local_ordinal(start, zone) + days + 2", ("tests/rules/no_such_test.py",), "broken"),
    ],
)
def test_a_patch_is_killed_survives_or_is_broken(new: str, tests: tuple[str, ...], said: str, copy: Path) -> None:
    verdict = judged(replace(FINE, new=new, killed_by=tests), copy)
    assert verdict.said == said, verdict.output
    assert (copy / FINE.file).read_text() == (PROJECT / FINE.file).read_text(), "it was not taken out again"


def test_tests_that_take_too_long_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text("import time\ndef test_slow() -> None: time.sleep(60)\n")
    assert pytest_in(tmp_path, ("test_slow.py",), limit=2) == (None, "took over 2 s")


@pytest.mark.parametrize("old", ["no such text", "Instant"])
def test_a_patch_whose_text_does_not_occur_exactly_once_is_refused(old: str) -> None:
    with pytest.raises(BadPatch, match=r"fine: its old text stands \d+ times in workers/rules/calendar.py"):
        replace(FINE, old=old).patched((PROJECT / FINE.file).read_text())


def test_a_patch_that_changes_nothing_is_refused() -> None:
    with pytest.raises(BadPatch):
        replace(FINE, new=FINE.old).patched((PROJECT / FINE.file).read_text())


@pytest.mark.parametrize("wrong", ["", 'extra = "field"', 'meets = ""'])
def test_an_entry_with_missing_or_unknown_fields_is_refused(wrong: str, tmp_path: Path) -> None:
    lines = ['[[mutant]]\nname = "a"\nfile = "b"\nold = "c"\nnew = "d"\nkilled_by = ["e"]', wrong]
    (tmp_path / "some.toml").write_text("\n".join(lines))
    with pytest.raises(BadPatch, match=r"some\.toml: a: wanted are"):
        read_patches(tmp_path)


def test_some_patches_can_be_chosen_by_name_or_file() -> None:
    other = replace(FINE, name="other", file="workers/relay.py")
    assert chosen([FINE, other], "") == [FINE, other]
    assert chosen([FINE, other], "relay") == chosen([FINE, other], "oth") == [other]
    assert chosen([FINE, other], "fin,relay") == [FINE, other]
    assert chosen([FINE, other], "nothing") == []
