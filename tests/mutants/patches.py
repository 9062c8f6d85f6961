"""The list of `make mutants`: small wrong patches of the engine, each with the tests that must notice it.

Owns the form of the files `tests/mutants/*.toml`; runs nothing. A patch replaces one text, which stands exactly once
in its file, by another. Who changes that text in the engine changes it in the list too: a test compares them.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

PROJECT = Path(__file__).parents[2]


class BadPatch(Exception):
    """A patch that cannot be applied, or that says too little."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One fault of the kind that a careless colleague writes."""

    name: str
    file: str
    old: str
    new: str
    meets: str
    """What a user would meet, in one sentence."""
    killed_by: tuple[str, ...]
    """Tests, as pytest takes them, of which at least one fails with the patch."""

    def patched(self, text: str) -> str:
        """The text of its file with the fault in it; raises BadPatch."""
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            raise BadPatch(f"{self.name}: its old text stands {found} times in {self.file}, once is wanted")
        return text.replace(self.old, self.new)


def read_patches(directory: Path = Path(__file__).parent) -> list[Patch]:
    """All patches of the list, in the order of its files; raises BadPatch."""
    patches = [
        _read(path, entry)
        for path in sorted(directory.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    ]
    names = [patch.name for patch in patches]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise BadPatch(f"two patches have one name: {', '.join(sorted(doubled))}")
    return patches


def _read(path: Path, entry: dict[str, str | list[str]]) -> Patch:
    wanted = {field.name for field in fields(Patch)}
    if entry.keys() != wanted or not all(value for name, value in entry.items() if name != "new"):
        fields_wanted = ", ".join(sorted(wanted))
        raise BadPatch(f"{path.name}: {entry.get('name')}: wanted are {fields_wanted}, and only `new` may be empty")
    return Patch(**{**entry, "killed_by": tuple(entry["killed_by"])})  # type: ignore[arg-type]


def chosen(patches: Iterable[Patch], words: str) -> list[Patch]:
    """The patches in whose name or file one of the comma separated `words` stands; all where there is none."""
    wanted = [word for word in words.split(",") if word]
    return [each for each in patches if not wanted or any(word in f"{each.file} {each.name}" for word in wanted)]
