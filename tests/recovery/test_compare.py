"""`standing replay` finds every way in which what was published differs from what the facts give."""

from typing import Any

from workers.recovery.compare import compare


def suspended(decision_id: str, **changes: Any) -> dict[str, Any]:
    """A decision as it is published."""
    known = {
        "decision_id": decision_id,
        "kind": "account_suspended",
        "account_id": "a",
        "effective_at": "2016-08-28T16:00:00.000000Z",
        "clause": "S1",
        "standing_after": "suspended",
        "sequence": 7,
        "recorded_at": "2016-08-28T16:10:00.000000Z",
    }
    return known | changes


def said(**changes: Any) -> dict[str, Any]:
    """The standing of an account."""
    known = {
        "account_id": "a",
        "standing": "suspended",
        "since": "2016-03-01T02:00:00.000000Z",
        "reason": "r",
        "cure": "c",
    }
    return known | changes


def lines(*sides: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    """What differs: how, which decision, and in what."""
    return [(each["difference"], each["decision_id"], each["detail"]) for each in compare(*sides).found]


def test_equal_decisions_and_standings_differ_in_nothing_whenever_they_were_recorded() -> None:
    later = suspended("1", sequence=9, recorded_at="2017-01-01T00:00:00.000000Z")
    found = compare({"1": suspended("1")}, {"1": later}, {"a": said()}, {"a": said(sequence=3)})
    assert (found.equal, found.compared, found.found) == (True, 1, [])


def test_a_decision_that_was_not_published_is_found() -> None:
    assert lines({"1": suspended("1"), "2": suspended("2")}, {"1": suspended("1")}) == [("not published", "2", "")]


def test_a_decision_that_should_not_be_in_force_is_found() -> None:
    assert lines({"1": suspended("1")}, {"1": suspended("1"), "2": suspended("2")}) == [
        ("should not be in force", "2", "")
    ]


def test_a_decision_that_differs_is_found_with_the_field() -> None:
    altered = suspended("1", clause="S5")
    detail = "clause: S5 published, S1 expected"
    assert lines({"1": suspended("1")}, {"1": altered}) == [("differs", "1", detail)]


def test_a_standing_that_differs_is_found_on_either_side() -> None:
    detail = "standing: active published, suspended expected"
    assert lines({}, {}, {"a": said()}, {"a": said(standing="active")}) == [("standing differs", None, detail)]
    assert [line[0] for line in lines({}, {}, {"a": said()}, {})] == ["standing differs"]
    assert [line[0] for line in lines({}, {}, {}, {"a": said()})] == ["standing differs"]
