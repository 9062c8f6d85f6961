"""Enrolment, moves and closings (E1 to E3) in the model."""

import hashlib
import uuid

from tests.model.story import activation, case, closed, enrolled, local, only, order, play, reapplication, told


def uuid_5(name: str) -> str:
    """RFC 4122, 4.3, in the open: SHA-1 of name space and name, with version 5 and variant 10 written over it."""
    spaces = uuid.NAMESPACE_URL.bytes
    for text in ("urn:standing:decisions", name):
        digest = bytearray(hashlib.sha1(spaces + text.encode(), usedforsecurity=False).digest()[:16])
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        spaces = bytes(digest)
    return str(uuid.UUID(bytes=spaces))


def test_e1_the_first_enrolment_makes_active_and_a_second_one_changes_nothing() -> None:
    result = play(
        enrolled("2016-02-10", event="e1"), enrolled("2016-03-10", event="e2"), watermark=local("2016-05-01")
    )
    assert told(result, notices=True) == [("account_enrolled", "E1", local("2016-02-10"))]
    decision = only(result, "account_enrolled")
    assert (decision.standing_before, decision.standing_after) == ("not_enrolled", "active")
    assert (decision.cause, decision.company, decision.topic) == ("e1", "id:c", "restorations")
    assert decision.decision_id == uuid_5("a\naccount_enrolled\n2016-02-09T16:00:00.000000Z\ne1")
    # 10 February + 180 days ends at 00:00 of 9 August: not moved by the second enrolment.
    assert result.accounts["a"].deadline == local("2016-08-09")


def test_e1_a_move_is_no_decision_and_moves_no_clock() -> None:
    result = play(enrolled("2016-02-10"), enrolled("2016-03-10", company="d"), watermark=local("2016-05-01"))
    assert told(result, notices=True) == [("account_enrolled", "E1", local("2016-02-10"))]
    account = result.accounts["a"]
    assert (account.standing, account.company, account.deadline) == ("active", "id:d", local("2016-08-09"))


def test_e2_closing_ends_the_period_and_requests_are_refused() -> None:
    result = play(
        enrolled("2016-02-10"), closed("2016-03-01"), order("2016-03-02"), activation("2016-03-03", request="q1"),
        reapplication("2016-03-04", request="q2"), closed("2016-03-05"),
    )  # fmt: skip
    assert told(result, notices=True) == [
        ("account_enrolled", "E1", local("2016-02-10")),
        ("account_closed", "E2", local("2016-03-01")),
        ("activation_refused", "S3", local("2016-03-03")),
        ("reapplication_refused", "T3", local("2016-03-04")),
    ]
    assert [one.reason for one in result.decisions[-2:]] == ["not_enrolled", "not_enrolled"]
    assert result.accounts["a"].standing == "closed"


def test_e2_enrolling_after_a_closing_carries_no_lock_out_over() -> None:
    # Enrolled 10 February, suspended 9 August; activation 10 August ends after 25 August, expired 26 August,
    # locked out to 26 September. Closed and enrolled again, suspended once more, an activation is granted at once.
    result = play(
        enrolled("2016-02-10"), activation("2016-08-10", request="q1"), closed("2016-08-27"),
        enrolled("2016-08-28"), watermark=local("2016-08-30"),
    )  # fmt: skip
    assert told(result)[-3:] == [
        ("reactivation_expired", "S5", local("2016-08-26")),
        ("account_closed", "E2", local("2016-08-27")),
        ("account_enrolled", "E2", local("2016-08-28")),
    ]
    account = result.accounts["a"]
    # 28 August + 180: 31 August is day 3, then 33, 64, 94, 125, 156 at the end of January; 24 February is day 180.
    assert (account.standing, account.locked_out_until, account.deadline) == ("active", None, local("2017-02-25"))


def test_e2_enrolling_after_a_closing_carries_neither_terminations_nor_counted_cases_over() -> None:
    late = {"category": "late"}
    result = play(
        enrolled("2016-02-10"), case("2016-02-11", case_id="k1", **late), case("2016-02-12", case_id="k2", **late),
        closed("2016-02-13"), enrolled("2016-02-14"), case("2016-02-15", case_id="k3", **late),
        watermark=local("2016-03-01"),
    )  # fmt: skip
    assert [kind for kind, _, _ in told(result)] == [
        "account_enrolled", "violation_warned", "violation_warned", "account_closed", "account_enrolled",
        "violation_warned",
    ]  # fmt: skip
    assert told(result, "id:c") == []


def test_e2_a_terminated_account_that_closed_enrols_elsewhere_free() -> None:
    result = play(
        enrolled("2016-02-10"), case("2016-02-11"), closed("2016-02-12"), enrolled("2016-02-13", company="d"),
        watermark=local("2016-03-01"),
    )  # fmt: skip
    assert result.accounts["a"].standing == "active"
    assert result.accounts["a"].reapply_from is None


def test_e3_facts_before_the_enrolment_decide_nothing_but_a_request_is_refused() -> None:
    result = play(
        closed("2016-02-05"), order("2016-02-06"), case("2016-02-07"), activation("2016-02-08", request="q1"),
        enrolled("2016-02-10"), watermark=local("2016-03-01"),
    )  # fmt: skip
    assert told(result, notices=True) == [
        ("activation_refused", "S3", local("2016-02-08")),
        ("account_enrolled", "E1", local("2016-02-10")),
    ]
    assert told(result, "id:c") == []


def test_e3_a_case_terminates_the_company_that_a_closed_account_last_belonged_to() -> None:
    result = play(
        enrolled("2016-02-10", "a"), enrolled("2016-02-10", "b"), closed("2016-02-11", "a"), case("2016-02-12"),
        watermark=local("2016-03-01"),
    )  # fmt: skip
    assert told(result, "id:c") == [("company_terminated", "T2", local("2016-02-12"))]
    assert told(result, "a")[-1] == ("account_closed", "E2", local("2016-02-11"))
    assert told(result, "b")[-1] == ("account_terminated", "T2", local("2016-02-12"))


def test_e3_a_warning_is_not_published_about_a_closed_account() -> None:
    result = play(enrolled("2016-02-10"), closed("2016-02-11"), case("2016-02-12", category="rude"))
    assert told(result)[-1][0] == "account_closed"
