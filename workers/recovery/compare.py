"""Compares decisions made afresh with those that were published: by id, and by all that the contract compares.

What a subscriber makes of them is compared too: the order of those in force, and the standing that follows from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.ops.terminal import Terminal, green, red
from workers.recovery.published import Subject, Value, compared, subject_of
from workers.rules.calendar import Instant, written

SHOWN = 30
_OF_STANDING = ("standing", "since", "reason", "cure")


@dataclass(slots=True)
class Differences:
    """What differs; each line is a kind of difference, whom it concerns, and what it is."""

    compared: int
    facts: int = 0
    seconds: float = 0.0
    watermark: Instant | None = None
    unread: int = 0
    """Records that the live engine had not read: no part of the comparison."""
    undecided: int = 0
    """Accounts that it was to judge again: no part of it either."""
    written_to: Path | None = None
    """A file that the decisions were written to; nothing was compared then."""
    found: list[dict[str, Any]] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.found

    def as_json(self) -> str:
        """All of it, for a machine."""
        watermark = None if self.watermark is None else written(self.watermark)
        figures = {"equal": self.equal, "decisions": self.compared, "facts": self.facts}
        timing = {"seconds": round(self.seconds, 3), "watermark": watermark}
        left_out = {"left_out": {"records": self.unread, "accounts": self.undecided}}
        return json.dumps(figures | timing | left_out | {"differences": self.found}, ensure_ascii=False, indent=2)

    def add(self, difference: str, value: Value, detail: str = "") -> None:
        """One decision, standing or dead letter that differs."""
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
    afresh: Mapping[str, Value],
    published: Mapping[str, Value],
    standings: Mapping[str, Value] | None = None,
    published_standings: Mapping[str, Value] | None = None,
) -> Differences:
    """Net decisions by id, their order, and what is said of each account's standing, where both sides say it."""
    found = Differences(len(afresh.keys() | published.keys()))
    for name in afresh.keys() - published.keys():
        found.add("not published", afresh[name])
    for name in published.keys() - afresh.keys():
        found.add("should not stand", published[name])
    for name in afresh.keys() & published.keys():
        _compare_one("differs", compared(afresh[name]), compared(published[name]), published[name], found)
    said, was_said = standings or {}, published_standings or {}
    if published_standings is not None:
        _compare_order(afresh, published, found)
        _compare_last(published, was_said, found)
    for account_id in said.keys() | was_said.keys():
        now, then = said.get(account_id, {}), was_said.get(account_id, {})
        of_now, of_then = ({name: each.get(name) for name in _OF_STANDING} for each in (now, then))
        _compare_one("standing differs", of_now, of_then, now or then, found)
    found.found.sort(key=lambda each: (each["effective_at"] or "", each["subject"]))
    return found


def _compare_order(afresh: Mapping[str, Value], published: Mapping[str, Value], found: Differences) -> None:
    """The decisions in force on both sides: the first of each account and company that is at another place."""
    on_both = afresh.keys() & published.keys()
    now, then = (_in_force({name: each[name] for name in on_both}) for each in (afresh, published))
    for subject, decisions in then.items():
        for right, wrong in zip(now[subject], decisions, strict=True):
            if right["decision_id"] != wrong["decision_id"]:
                found.add("in another order", wrong, f"{right['kind']} {right['decision_id']} comes here afresh")
                break


def _compare_last(published: Mapping[str, Value], standings: Mapping[str, Value], found: Differences) -> None:
    """An account's last decision in force says what its standing is; without one it enrolled before the policies."""
    for (of_company, name), decisions in _in_force(published).items():
        said = standings.get(name, {"standing": "not_enrolled"})["standing"]
        last = decisions[-1]
        if not of_company and last["standing_after"] != said:
            found.add("standing is another", last, f"{last['standing_after']} by the last decision, {said} is said")


def _in_force(net: Mapping[str, Value]) -> dict[Subject, list[Value]]:
    """The decisions of each account and company as a subscriber sorts them."""
    found: dict[Subject, list[Value]] = {}
    for value in sorted(net.values(), key=lambda value: (value["effective_at"], value["sequence"])):
        found.setdefault(subject_of(value), []).append(value)
    return found


def _compare_one(what: str, now: Value, then: Value, value: Value, found: Differences) -> None:
    fields = [name for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]
    if fields:
        details = (f"{name}: {then.get(name)} published, {now.get(name)} afresh" for name in fields)
        found.add(what, value, "; ".join(details))


def show(terminal: Terminal, differences: Differences) -> None:
    """The verdict in a line, and the first differences as a table."""
    rate = differences.facts / max(differences.seconds, 1e-9)
    watermark = "nowhere" if differences.watermark is None else written(differences.watermark)
    decided = f"{differences.facts:,} facts decided afresh in {differences.seconds:.1f} s ({rate:,.0f} a second)"
    terminal.line(f"{decided}, silence judged up to {watermark}")
    if differences.unread or differences.undecided:
        terminal.line(
            f"left out: {differences.unread:,} records that are not read yet, and {differences.undecided:,} accounts "
            "that are to be judged again"
        )
    count = f"{differences.compared:,} decisions"
    if differences.written_to is not None:
        terminal.line(f"{count} written to {differences.written_to}")
    elif differences.equal:
        terminal.line(green("equal"), f": {count} stand, and none differs")
    if differences.equal:
        return
    terminal.line(red(f"{len(differences.found):,} differences"), f" among {count}")
    names = ("difference", "subject", "kind", "effective_at", "detail")
    rows = [[red(each[name] or "") for name in names] for each in differences.found[:SHOWN]]
    terminal.table(("difference", "subject", "kind", "effective at", "detail"), rows)
    if len(differences.found) > SHOWN:
        terminal.line(f"and {len(differences.found) - SHOWN:,} more; see --json")
