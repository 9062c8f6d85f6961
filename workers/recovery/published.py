"""What was published, as the output topics have it: the decisions in force, and what their readers were told last.

Owns the netting: decisions less the withdrawn ones, each subject's in the order of its sequence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from contracts.fields import instant
from contracts.kinds import DEADLINE_KINDS
from contracts.topics import Topic
from workers.kafka.fetched_records import FetchedRecord
from workers.rules.calendar import Instant
from workers.store.records import LogRow

_NOT_COMPARED = ("recorded_at", "sequence")

Subject = tuple[bool, str]
"""Whether it is a company, and the account id or company key."""
Value = Mapping[str, Any]


@dataclass(slots=True)
class Published:
    """All that was published, netted."""

    messages: int = 0
    net: dict[str, Value] = field(default_factory=dict)
    standings: dict[str, Value] = field(default_factory=dict)
    dead: set[tuple[str, int, int]] = field(default_factory=set)
    """Input records that became dead letters: topic, partition, offset."""
    doubled: list[Value] = field(default_factory=list)
    """Messages with a sequence that another had before."""
    later: frozenset[str] = frozenset()
    """The `ce_id`s of messages that are left out: they came after the instant that is looked at."""
    newest: dict[str, LogRow] = field(default_factory=dict)
    """Rows of the log that may not be visible yet, by `ce_id`; what is seen is taken away."""
    said_later: set[str] = field(default_factory=set)
    """Accounts whose standing was said again later, so that the one before may be compacted away."""
    deadline_until: Instant | None = None
    """The newest instant of a decision on silence: the watermark was at least there."""
    _ordered: dict[Subject, list[tuple[int, Value]]] = field(default_factory=dict)

    def add(self, topic: str, records: Iterable[FetchedRecord]) -> None:
        """Take in records of one output topic, named without prefix."""
        for record in records:
            value: Value = orjson.loads(record.value or b"{}")
            name = (dict(record.headers).get("ce_id") or b"").decode(errors="replace")
            self.newest.pop(name, None)
            if name not in self.later:
                self._add(topic, value)
            elif topic == Topic.ACCOUNT_STANDING:
                self.said_later.add(value["account_id"])

    def add_logged(self, rows: Iterable[LogRow]) -> None:
        """Take in rows of the log that no reader of the topics has seen, in the order of the log."""
        for row in rows:
            self._add(row.topic, orjson.loads(row.value))

    def _add(self, topic: str, value: Value) -> None:
        self.messages += 1
        if topic == Topic.DEAD_LETTERS:
            self.dead.add((value["topic"], value["partition"], value["offset"]))
        elif topic == Topic.ACCOUNT_STANDING:
            known = self.standings.get(value["account_id"])
            if known is None or known["sequence"] <= value["sequence"]:
                self.standings[value["account_id"]] = value
        else:
            self._decided(value)

    def _decided(self, value: Value) -> None:
        self._ordered.setdefault(subject_of(value), []).append((value["sequence"], value))
        if value["kind"] in DEADLINE_KINDS:
            at = instant(value["effective_at"])
            self.deadline_until = at if self.deadline_until is None else max(at, self.deadline_until)

    def settled(self) -> "Published":
        """The same with `net` worked out; call it when all was added."""
        for subject in self._ordered:
            before = 0
            for value in self.values_of(subject):
                if value["sequence"] == before:
                    self.doubled.append(value)
                before = value["sequence"]
                if "withdraws" in value:
                    self.net.pop(value["withdraws"], None)
                elif "decision_id" in value:
                    self.net[value["decision_id"]] = value
        return self

    def judged_until(self, first_start: Instant) -> dict[str, Instant]:
        """Up to where each account was judged at least: the newest of its decisions on a deadline that stand.

        One of which anything is said was reached by the first policy, before which nothing is due.
        """
        found = dict.fromkeys(self.standings, first_start)
        for value in self.net.values():
            if value["kind"] in DEADLINE_KINDS:
                name, at = value["account_id"], instant(value["effective_at"])
                found[name] = max(found.get(name, at), at)
        return found

    def values_of(self, subject: Subject) -> list[Value]:
        """All that was published of a subject, its standings left out, in the order of the sequence."""
        return [value for _, value in sorted(self._ordered.get(subject, ()), key=lambda each: each[0])]

    def last_sequence(self, subject: Subject) -> int:
        """The number of the last of them; 0 where there is none."""
        return max((sequence for sequence, _ in self._ordered.get(subject, ())), default=0)


def subject_of(value: Value) -> Subject:
    """Whom a decision, a withdrawal or a completion is about."""
    of_company = "account_id" not in value
    return of_company, value["company"]["key"] if of_company else value["account_id"]


def compared(value: Value) -> dict[str, Any]:
    """What of a decision is compared (CONTRACTS): all but when it was recorded, its number and the company's name."""
    kept = {name: each for name, each in value.items() if name not in _NOT_COMPARED}
    if "company" in kept:
        kept["company"] = {"key": kept["company"]["key"]}
    return kept
