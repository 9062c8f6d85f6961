"""Compares recomputed decisions with the published ones, by id and by the fields that the contract compares.

It also compares what a subscriber derives: the order of the decisions in force and the standing after the last one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.ops.terminal import Terminal, green, red
from workers.recovery.published_decisions import Subject, Value, compared, subject_of
from workers.rules.calendar import Instant, written

SHOWN = 30
_OF_STANDING = ("standing", "since", "reason", "cure")


@dataclass(slots=True)
class Differences:
    """The result of a comparison; `found` has one entry for each difference."""

    compared: int
    facts: int = 0
    seconds: float = 0.0
    watermark: Instant | None = None
    unread: int = 0
    """Records that the live engine had not read; they are left out."""
    undecided: int = 0
    """Accounts that the live engine still had to judge again; they are left out."""
    written_to: Path | None = None
    """The file that the decisions were written to instead of a comparison."""
    found: list[dict[str, Any]] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.found

    def as_json(self) -> str:
        """The whole result as JSON."""
        watermark = None if self.watermark is None else written(self.watermark)
        figures = {"equal": self.equal, "decisions": self.compared, "facts": self.facts}
        timing = {"seconds": round(self.seconds, 3), "watermark": watermark}
        left_out = {"left_out": {"records": self.unread, "accounts": self.undecided}}
        return json.dumps(figures | timing | left_out | {"differences": self.found}, ensure_ascii=False, indent=2)

    def add(self, difference: str, value: Value, detail: str = "") -> None:
        """Add one decision, standing or dead letter that differs."""
        subject = value.get("account_id") or value.get("company", {}).get("key") or ""
        self.found.append(
            {
                "difference": difference,
                "subject": subject,
                "kind": value.get("kind", "account_standing"),
                "effective_at": value.get("effective_at"),
                "decision_id": value.get("decision_id"),
                "detail": detail,
            }
        )


def compare(
    recomputed: Mapping[str, Value],
    published: Mapping[str, Value],
    standings: Mapping[str, Value] | None = None,
    published_standings: Mapping[str, Value] | None = None,
) -> Differences:
    """Compare decisions in force by id and, with `published_standings`, their order and each account's standing."""
    found = Differences(len(recomputed.keys() | published.keys()))
    for name in recomputed.keys() - published.keys():
        found.add("not published", recomputed[name])
    for name in published.keys() - recomputed.keys():
        found.add("should not be in force", published[name])
    for name in recomputed.keys() & published.keys():
        _compare_one("differs", compared(recomputed[name]), compared(published[name]), published[name], found)
    ours, theirs = standings or {}, published_standings or {}
    if published_standings is not None:
        _compare_order(recomputed, published, found)
        _compare_last(published, theirs, found)
    for account_id in ours.keys() | theirs.keys():
        our, their = ours.get(account_id, {}), theirs.get(account_id, {})
        fields, published_fields = ({name: each.get(name) for name in _OF_STANDING} for each in (our, their))
        _compare_one("standing differs", fields, published_fields, our or their, found)
    found.found.sort(key=lambda each: (each["effective_at"] or "", each["subject"]))
    return found


def _compare_order(recomputed: Mapping[str, Value], published: Mapping[str, Value], found: Differences) -> None:
    """Report the first decision of each subject that is at another place, among those in force on both sides."""
    on_both = recomputed.keys() & published.keys()
    ours, theirs = (_by_subject({name: each[name] for name in on_both}) for each in (recomputed, published))
    for subject, decisions in theirs.items():
        for right, wrong in zip(ours[subject], decisions, strict=True):
            if right["decision_id"] != wrong["decision_id"]:
                found.add("wrong order", wrong, f"expected here: {right['kind']} {right['decision_id']}")
                break


def _compare_last(published: Mapping[str, Value], standings: Mapping[str, Value], found: Differences) -> None:
    """Compare each account's published standing with the one after its last decision in force."""
    for (of_company, name), decisions in _by_subject(published).items():
        standing = standings.get(name, {"standing": "not_enrolled"})["standing"]
        last = decisions[-1]
        if not of_company and last["standing_after"] != standing:
            detail = f"{last['standing_after']} after the last decision, {standing} published"
            found.add("standing contradicts decisions", last, detail)


def _by_subject(in_force: Mapping[str, Value]) -> dict[Subject, list[Value]]:
    """The decisions of each account and company as a subscriber sorts them."""
    found: dict[Subject, list[Value]] = {}
    for value in sorted(in_force.values(), key=lambda value: (value["effective_at"], value["sequence"])):
        found.setdefault(subject_of(value), []).append(value)
    return found


def _compare_one(what: str, ours: Value, theirs: Value, value: Value, found: Differences) -> None:
    fields = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    if fields:
        details = (f"{name}: {theirs.get(name)} published, {ours.get(name)} expected" for name in fields)
        found.add(what, value, "; ".join(details))


def show(terminal: Terminal, differences: Differences) -> None:
    """Write the result in a few lines, and the first differences as a table."""
    rate = differences.facts / max(differences.seconds, 1e-9)
    watermark = "nowhere" if differences.watermark is None else written(differences.watermark)
    decided = f"{differences.facts:,} facts replayed in {differences.seconds:.1f} s ({rate:,.0f} per second)"
    terminal.line(f"{decided}, deadlines enforced up to {watermark}")
    if differences.unread or differences.undecided:
        terminal.line(
            f"left out: {differences.unread:,} records that are not read yet, and {differences.undecided:,} accounts "
            "that must be judged again"
        )
    count = f"{differences.compared:,} decisions"
    if differences.written_to is not None:
        terminal.line(f"{count} written to {differences.written_to}")
    elif differences.equal:
        terminal.line(green("equal"), f": {count} in force, no difference")
    if differences.equal:
        return
    terminal.line(red(f"{len(differences.found):,} differences"), f" among {count}")
    names = ("difference", "subject", "kind", "effective_at", "detail")
    rows = [[red(each[name] or "") for name in names] for each in differences.found[:SHOWN]]
    terminal.table(("difference", "subject", "kind", "effective at", "detail"), rows)
    if len(differences.found) > SHOWN:
        terminal.line(f"and {len(differences.found) - SHOWN:,} more; see --json")
