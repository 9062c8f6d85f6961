"""What the output topics contain: the decisions in force and the last published standing of each account.

The decisions in force are the published ones without the withdrawn ones, each subject's in the order of `sequence`.
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
class PublishedMessages:
    """Everything that was published, and the decisions in force."""

    messages: int = 0
    in_force: dict[str, Value] = field(default_factory=dict)
    standings: dict[str, Value] = field(default_factory=dict)
    dead: set[tuple[str, int, int]] = field(default_factory=set)
    """Input records that became dead letters: topic, partition, offset."""
    duplicates: list[Value] = field(default_factory=list)
    """Messages with the sequence number of an earlier message."""
    later: frozenset[str] = frozenset()
    """The `ce_id`s of messages that are left out because they were published after the snapshot."""
    newest: dict[str, LogRow] = field(default_factory=dict)
    """Rows of the log that Kafka may not show yet, by `ce_id`; a row is removed when its message is seen."""
    restated: set[str] = field(default_factory=set)
    """Accounts with a standing published after the snapshot; compaction may have removed the one before."""
    deadline_until: Instant | None = None
    """The latest instant of a deadline's decision; the watermark was at least there."""
    _ordered: dict[Subject, list[tuple[int, Value]]] = field(default_factory=dict)

    def add(self, topic: str, records: Iterable[FetchedRecord]) -> None:
        """Add records of one output topic, named without prefix."""
        for record in records:
            value: Value = orjson.loads(record.value or b"{}")
            name = (dict(record.headers).get("ce_id") or b"").decode(errors="replace")
            self.newest.pop(name, None)
            if name not in self.later:
                self._add(topic, value)
            elif topic == Topic.ACCOUNT_STANDING:
                self.restated.add(value["account_id"])

    def add_logged(self, rows: Iterable[LogRow]) -> None:
        """Add rows of the log that Kafka does not show yet, in the order of the log."""
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
            self._add_decision(value)

    def _add_decision(self, value: Value) -> None:
        self._ordered.setdefault(subject_of(value), []).append((value["sequence"], value))
        if value["kind"] in DEADLINE_KINDS:
            at = instant(value["effective_at"])
            self.deadline_until = at if self.deadline_until is None else max(at, self.deadline_until)

    def finish(self) -> "PublishedMessages":
        """Derive `in_force` and `duplicates` after the last message was added; returns itself."""
        for subject in self._ordered:
            before = 0
            for value in self.values_of(subject):
                if value["sequence"] == before:
                    self.duplicates.append(value)
                before = value["sequence"]
                if "withdraws" in value:
                    self.in_force.pop(value["withdraws"], None)
                elif "decision_id" in value:
                    self.in_force[value["decision_id"]] = value
        return self

    def judged_until(self, first_start: Instant) -> dict[str, Instant]:
        """An instant up to which each account was judged: that of its latest deadline decision in force.

        An account with a published standing was judged at least up to `first_start`, the start of the first policy.
        """
        found = dict.fromkeys(self.standings, first_start)
        for value in self.in_force.values():
            if value["kind"] in DEADLINE_KINDS:
                name, at = value["account_id"], instant(value["effective_at"])
                found[name] = max(found.get(name, at), at)
        return found

    def values_of(self, subject: Subject) -> list[Value]:
        """Everything published about a subject except its standings, in the order of `sequence`."""
        return [value for _, value in sorted(self._ordered.get(subject, ()), key=lambda each: each[0])]

    def last_sequence(self, subject: Subject) -> int:
        """The last sequence number of a subject; 0 if it has none."""
        return max((sequence for sequence, _ in self._ordered.get(subject, ())), default=0)


def subject_of(value: Value) -> Subject:
    """The account or company of a decision, a withdrawal or a completion."""
    of_company = "account_id" not in value
    return of_company, value["company"]["key"] if of_company else value["account_id"]


def compared(value: Value) -> dict[str, Any]:
    """The fields of a decision that are compared: all except `recorded_at`, `sequence` and the company's name."""
    fields = {name: each for name, each in value.items() if name not in _NOT_COMPARED}
    if "company" in fields:
        fields["company"] = {"key": fields["company"]["key"]}
    return fields
