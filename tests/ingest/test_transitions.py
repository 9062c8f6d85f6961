"""The table of transitions, event by event from every set of causes, against what each event is to mean."""

from itertools import product

import pytest

from tests.support.causes import INITIAL, reachable
from workers.ingest.transitions import (
    PRECEDENCE,
    TRANSITIONS,
    Cause,
    Causes,
    Event,
    State,
    after,
    may_fetch,
    state_of,
)

ALL = list(reachable())
MEANS = {
    Event.CASE_MUST_WAIT: ({Cause.WAITING_CASE}, set()),
    Event.REGISTRY_REACHED: (set(), {Cause.WAITING_CASE}),
    Event.LIMIT_REACHED: ({Cause.DEAD_LETTERS}, set()),
    Event.ACCEPTED: (set(), {Cause.DEAD_LETTERS}),
    Event.FETCH_FAILED: ({Cause.FETCH_ERROR, Cause.BACKING_OFF}, set()),
    Event.RETRY_DUE: (set(), {Cause.BACKING_OFF}),
    Event.FETCH_SUCCEEDED: (set(), {Cause.FETCH_ERROR, Cause.BACKING_OFF}),
    Event.POSITION_LOST: ({Cause.LOST_POSITION}, set()),
}


def test_every_event_has_a_transition() -> None:
    assert set(TRANSITIONS) == set(Event) == set(MEANS)


def test_exactly_the_causes_that_events_lead_to_are_reachable() -> None:
    found, fresh = set(INITIAL), set(INITIAL)
    while fresh:
        fresh = {after(causes, event) for causes, event in product(fresh, Event)} - found
        found |= fresh
    assert found == set(ALL)
    assert len(ALL) == 24


@pytest.mark.parametrize("event", Event)
def test_an_event_adds_and_removes_its_causes_and_no_others(event: Event) -> None:
    adds, removes = MEANS[event]
    for causes in ALL:
        assert after(causes, event) == (causes | adds) - removes


def shown(causes: Causes) -> State:
    """The state, by a rule written a second time."""
    if causes & {Cause.LOST_POSITION, Cause.FETCH_ERROR}:
        return State.HALTED_UNREADABLE
    if Cause.DEAD_LETTERS in causes:
        return State.PAUSED_BY_DEAD_LETTERS
    return State.BLOCKED_ON_REGISTRY if causes else State.READING


def test_the_gravest_cause_is_the_one_shown() -> None:
    assert [state_of(causes) for causes in ALL] == [shown(causes) for causes in ALL]
    assert {state_of(causes) for causes in ALL} == set(State)
    assert set(Cause) - set(PRECEDENCE) == {Cause.BACKING_OFF}


def test_a_partition_is_fetched_from_where_nothing_keeps_it_or_to_try_again() -> None:
    assert [causes for causes in ALL if may_fetch(causes)] == [frozenset(), frozenset({Cause.FETCH_ERROR})]


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.REGISTRY_REACHED, Event.FETCH_SUCCEEDED, Event.RETRY_DUE])
def test_a_lost_position_is_found_again_by_no_event(event: Event) -> None:
    for causes in ALL:
        if Cause.LOST_POSITION in causes:
            assert state_of(after(causes, event)) is State.HALTED_UNREADABLE
            assert not may_fetch(after(causes, event))
