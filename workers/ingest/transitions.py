"""The states of a partition and every transition between them.

Owns the table. A partition holds a set of causes, each a reason not to read it. An event adds or removes causes; the
state is that of the gravest cause. The diagram in docs/architecture.md is generated from this table.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple


class State(Enum):
    """What a partition is doing, as it is shown; the value is the documents' sentence."""

    READING = "It is fetched from."
    BLOCKED_ON_REGISTRY = "Its next case waits until the registry is read up to the case."
    PAUSED_BY_DEAD_LETTERS = "Too many of its records are dead letters; an operator must accept them."
    HALTED_UNREADABLE = "It cannot be fetched from: its stored position is not in the topic, or fetches fail."


class Cause(Enum):
    """A reason for a state other than READING."""

    LOST_POSITION = auto()
    """The stored position is not one of this topic; only a new claim ends this."""
    FETCH_ERROR = auto()
    """The last fetch failed."""
    BACKING_OFF = auto()
    """The next try to fetch is not due yet; only ever together with FETCH_ERROR."""
    DEAD_LETTERS = auto()
    """The dead-letter window reached its limit."""
    WAITING_CASE = auto()
    """A case waits for the registry."""


Causes = frozenset[Cause]
NONE: Causes = frozenset()


class Event(Enum):
    """What changes the causes; the value is the label in the diagram."""

    CASE_MUST_WAIT = "a case must wait"
    REGISTRY_REACHED = "registry reached"
    LIMIT_REACHED = "dead-letter limit reached"
    ACCEPTED = "dead letters accepted"
    FETCH_FAILED = "fetch failed"
    RETRY_DUE = "retry due"
    FETCH_SUCCEEDED = "fetch succeeded"
    POSITION_LOST = "position lost"


class Change(NamedTuple):
    """What an event does to the causes."""

    adds: Causes = NONE
    removes: Causes = NONE


TRANSITIONS: Mapping[Event, Change] = {
    Event.CASE_MUST_WAIT: Change(adds=frozenset({Cause.WAITING_CASE})),
    Event.REGISTRY_REACHED: Change(removes=frozenset({Cause.WAITING_CASE})),
    Event.LIMIT_REACHED: Change(adds=frozenset({Cause.DEAD_LETTERS})),
    Event.ACCEPTED: Change(removes=frozenset({Cause.DEAD_LETTERS})),
    Event.FETCH_FAILED: Change(adds=frozenset({Cause.FETCH_ERROR, Cause.BACKING_OFF})),
    Event.RETRY_DUE: Change(removes=frozenset({Cause.BACKING_OFF})),
    Event.FETCH_SUCCEEDED: Change(removes=frozenset({Cause.FETCH_ERROR, Cause.BACKING_OFF})),
    Event.POSITION_LOST: Change(adds=frozenset({Cause.LOST_POSITION})),
}

PRECEDENCE: Mapping[Cause, State] = {
    Cause.LOST_POSITION: State.HALTED_UNREADABLE,
    Cause.FETCH_ERROR: State.HALTED_UNREADABLE,
    Cause.DEAD_LETTERS: State.PAUSED_BY_DEAD_LETTERS,
    Cause.WAITING_CASE: State.BLOCKED_ON_REGISTRY,
}
"""The state of each cause, the gravest first. BACKING_OFF adds nothing to FETCH_ERROR."""


def initial(*, is_paused: bool) -> Causes:
    """The causes with which a claim begins: a pause by dead letters is stored, nothing else is."""
    return frozenset({Cause.DEAD_LETTERS}) if is_paused else NONE


def after(causes: Causes, event: Event) -> Causes:
    """The causes after an event."""
    change = TRANSITIONS[event]
    return (causes | change.adds) - change.removes


def state_of(causes: Causes) -> State:
    """The state that is shown: that of the gravest cause."""
    return next((state for cause, state in PRECEDENCE.items() if cause in causes), State.READING)


def may_fetch(causes: Causes) -> bool:
    """Whether the partition is fetched from: where nothing keeps it, or to try again after an error."""
    return causes <= {Cause.FETCH_ERROR}
