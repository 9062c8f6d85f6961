"""Exemptions and reversals (X1 to X4) in the model."""

from typing import Any

import pytest

from tests.model.naive import Result
from tests.model.story import (
    activation,
    case,
    closed,
    enrolled,
    local,
    only,
    order,
    play,
    policy,
    reapplication,
    told,
)

BEGUN = (enrolled("2016-02-10", "a"), enrolled("2016-02-11", "b"))
BACK = local("2016-03-20")
LATER = local("2016-04-01")


def reinstated(result: Result, account: str) -> tuple[str, str]:
    """From which standing to which one the account was reinstated."""
    decision = only(result, "account_reinstated", account)
    return decision.standing_before, decision.standing_after


@pytest.mark.parametrize("fields", [
    {"cause": "onetouch_unable"},
    {"cause": "onetouch_unable", "category": "rude"},
    {"cause": "terms_not_agreed"},
    {"order_amount": {"value": "49.99", "currency": "USD"}},
])  # fmt: skip
def test_x1_x2_an_exempt_case_is_never_the_sellers(fields: dict[str, Any]) -> None:
    result = play(*BEGUN, case("2016-03-01", **fields), watermark=LATER)
    assert {one.kind for one in result.decisions} == {"account_enrolled"}


@pytest.mark.parametrize("fields", [
    {"cause": "terms_not_agreed", "category": "rude"},
    {"cause": "other"},
    {"order_amount": {"value": "50.00", "currency": "USD"}},
    {"order_amount": {"value": "49.99", "currency": "EUR"}},
])  # fmt: skip
def test_x2_another_category_or_currency_or_the_minimum_itself_is_not_exempt(fields: dict[str, Any]) -> None:
    result = play(*BEGUN, case("2016-03-01", **fields), watermark=LATER)
    assert {one.kind for one in result.decisions} & {"violation_warned", "company_terminated"}


@pytest.mark.parametrize("fields", [
    {"outcome": "dismissed"}, {"outcome": "withdrawn"}, {"outcome": "reversed"},
    {"outcome": "upheld", "event_id": "e2", "cause": "onetouch_unable"},
    {"outcome": "upheld", "event_id": "e2", "order_amount": {"value": "1", "currency": "USD"}},
])  # fmt: skip
def test_x3_a_case_no_longer_against_the_seller_reinstates_every_account_it_hit(fields: dict[str, Any]) -> None:
    reversal = case(BACK, **{"source": "platform_inspection"} | fields)
    result = play(*BEGUN, case("2016-03-01"), reversal, watermark=LATER)
    event = reversal[1]["event_id"]
    assert told(result, "id:c")[1:] == [("company_termination_reversed", "X3", BACK)]
    company = only(result, "company_termination_reversed")
    assert (company.cause, company.case_event_id, company.case_id) == (f"{event}\na", event, "k")
    for account in ("a", "b"):
        assert told(result, account)[2:] == [("account_reinstated", "X3", BACK)]
        assert reinstated(result, account) == ("terminated", "active")
        assert only(result, "account_reinstated", account).cause == f"{event}\na"
        # 20 March + 180: 11 days to 31 March, then 41, 72, 102, 133, 164 (31 August): 16 September is day 180.
        assert result.accounts[account].deadline == local("2016-09-17")
        assert result.accounts[account].reapply_from is None


def test_x3_opened_and_a_repeated_outcome_change_nothing() -> None:
    result = play(
        *BEGUN,
        case("2016-03-01"),
        case("2016-03-02", "opened"),
        case("2016-03-03", event_id="again"),
        watermark=LATER,
    )
    assert told(result, "id:c") == [("company_terminated", "T2", local("2016-03-01"))]


def test_x3_upheld_once_more_is_a_new_termination_at_that_instant() -> None:
    result = play(
        *BEGUN, case("2016-03-01"), case(BACK, "dismissed"), case("2016-03-25", event_id="e3"), watermark=LATER
    )
    assert told(result, "id:c")[2:] == [("company_terminated", "T2", local("2016-03-25"))]
    # 25 March: 6 days to 31 March, 36, 67 (31 May): 23 June is day 90.
    assert result.accounts["b"].reapply_from == local("2016-06-24")


def test_x3_a_case_that_terminated_once_and_warned_later_is_taken_back_as_a_warning_the_second_time() -> None:
    # k3 is the third of 90 days on 3 March. Upheld again on 1 July it stands alone: k1 and k2 are past 31 May.
    late = {"category": "late"}
    result = play(
        *BEGUN, *(case(f"2016-03-0{day}", case_id=f"k{day}", **late) for day in (1, 2, 3)),
        case("2016-03-10", "dismissed", case_id="k3"), case("2016-07-01", case_id="k3", event_id="again", **late),
        case("2016-07-02", "withdrawn", case_id="k3"), watermark=local("2016-07-03"),
    )  # fmt: skip
    assert told(result, "id:c") == [
        ("company_terminated", "T2", local("2016-03-03")),
        ("company_termination_reversed", "X3", local("2016-03-10")),
    ]
    assert told(result)[-1] == ("violation_warned", "T1", local("2016-07-01"))


def test_x3_a_suspended_account_is_reinstated_suspended_without_lock_out_or_period() -> None:
    # Suspended 9 August, activated 10 August, expired 26 August and locked out; terminated 1 September.
    result = play(
        enrolled("2016-02-10"), activation("2016-08-10", request="q1"), case("2016-09-01"),
        case("2016-09-02", "dismissed"), activation("2016-09-03", request="q2"), watermark=local("2016-09-03"),
    )  # fmt: skip
    assert reinstated(result, "a") == ("terminated", "suspended")
    assert told(result)[-1] == ("activation_granted", "S3", local("2016-09-03"))
    silent = play(enrolled("2016-02-10"), case("2016-09-01"), case("2016-09-02", "dismissed"))
    assert told(silent, notices=True)[-1] == ("account_reinstated", "X3", local("2016-09-02"))
    assert (silent.accounts["a"].deadline, silent.accounts["a"].locked_out_until) == (None, None)


def test_x3_a_temporarily_active_account_is_reinstated_suspended() -> None:
    result = play(
        enrolled("2016-02-10"), activation("2016-08-10"), case("2016-08-11"), case("2016-08-12", "dismissed")
    )
    assert reinstated(result, "a") == ("terminated", "suspended")
    assert told(result, notices=True)[-1][0] == "account_reinstated"


@pytest.mark.parametrize(("ordered_at", "standing"), [
    (local("2016-09-01") - 1, "active"), (local("2016-09-01"), "active"), (local("2016-09-02") - 1, "active"),
])  # fmt: skip
def test_x3_an_order_from_the_very_instant_of_the_termination_on_reinstates_as_active(
    ordered_at: int, standing: str
) -> None:
    result = play(
        enrolled("2016-02-10"), case("2016-09-01"), order(ordered_at), case("2016-09-02", "dismissed"),
        watermark=local("2016-09-03"),
    )  # fmt: skip
    assert reinstated(result, "a") == ("terminated", standing)


def test_x3_an_order_at_the_instant_of_the_reversal_restores_after_it() -> None:
    at = local("2016-09-02")
    result = play(enrolled("2016-02-10"), case("2016-09-01"), order(at), case(at, "dismissed"), watermark=at)
    assert told(result)[-2:] == [("account_reinstated", "X3", at), ("account_restored", "S2", at)]
    assert reinstated(result, "a") == ("terminated", "suspended")


def test_x3_an_account_under_another_termination_stays_terminated_until_that_one_is_reversed_too() -> None:
    result = play(
        *BEGUN, case("2016-03-01", case_id="k1"), case("2016-03-05", case_id="k2", account="b"),
        case("2016-03-10", "dismissed", case_id="k1"), case(BACK, "withdrawn", case_id="k2", account="b"),
        watermark=LATER,
    )  # fmt: skip
    assert told(result, "a")[1:] == [
        ("account_terminated", "T2", local("2016-03-01")),
        ("account_terminated", "T2", local("2016-03-05")),
        ("account_reinstated", "X3", BACK),
    ]
    decision = only(result, "account_reinstated", "a")
    assert (decision.cause, decision.root_account_id, decision.case_id) == ("k2-withdrawn\nb", "b", "k2")
    assert decision.standing_after == "active"


def test_x3_a_reversal_moves_the_re_application_date_back_to_that_of_the_termination_still_in_force() -> None:
    result = play(
        *BEGUN, case("2016-03-01", case_id="k1"), case("2016-03-11", case_id="k2"),
        case(BACK, "dismissed", case_id="k2"), watermark=LATER,
    )  # fmt: skip
    assert result.accounts["a"].reapply_from == local("2016-05-31")


def test_x3_an_account_readmitted_since_is_not_changed() -> None:
    result = play(
        *BEGUN, case("2016-03-01"), reapplication("2016-05-31"), case("2016-06-10", "dismissed"),
        watermark=local("2016-06-20"),
    )  # fmt: skip
    assert told(result, "a")[-1] == ("reapplication_accepted", "T3", local("2016-05-31"))
    assert told(result, "b")[-1] == ("account_reinstated", "X3", local("2016-06-10"))


def test_x3_a_closed_account_stays_closed_and_one_that_moved_is_reinstated_in_its_company() -> None:
    result = play(
        *BEGUN, case("2016-03-01"), closed("2016-03-02", "a"), enrolled("2016-03-03", "b", "d"),
        case(BACK, "dismissed"), watermark=LATER,
    )  # fmt: skip
    assert result.accounts["a"].standing == "closed"
    assert only(result, "account_reinstated", "b").company == "id:d"
    assert only(result, "company_termination_reversed").company == "id:c"


def test_x3_t4_an_account_terminated_at_its_enrolment_is_reinstated_active() -> None:
    result = play(*BEGUN, case("2016-03-01"), enrolled("2016-03-05", "x"), case(BACK, "dismissed"), watermark=LATER)
    assert reinstated(result, "x") == ("terminated", "active")
    joined_later = play(
        *BEGUN, case("2016-03-01"), case(BACK, "dismissed"), enrolled("2016-03-21", "x"), watermark=LATER
    )
    assert told(joined_later, "x") == [("account_enrolled", "E1", local("2016-03-21"))]


def test_x3_taking_back_a_counted_case_does_not_undo_the_later_termination() -> None:
    late = {"category": "late"}
    result = play(
        *BEGUN, *(case(f"2016-03-0{day}", case_id=f"k{day}", **late) for day in (1, 2, 3)),
        case("2016-03-10", "dismissed", case_id="k1"), case("2016-03-11", case_id="k4", **late), watermark=LATER,
    )  # fmt: skip
    # k4 counts with k2 and k3: the third again.
    assert told(result, "id:c") == [
        ("company_terminated", "T2", local("2016-03-03")), ("company_terminated", "T2", local("2016-03-11")),
    ]  # fmt: skip


def test_x4_a_warning_taken_back_no_longer_counts_and_is_no_decision() -> None:
    late = {"category": "late"}
    result = play(
        *BEGUN, case("2016-03-01", case_id="k1", **late), case("2016-03-02", case_id="k2", **late),
        case("2016-03-03", "dismissed", case_id="k1"), case("2016-03-04", case_id="k3", **late), watermark=LATER,
    )  # fmt: skip
    assert [kind for kind, _, _ in told(result, "a")] == ["account_enrolled"] + ["violation_warned"] * 3


def test_the_exemption_is_that_of_the_policy_in_force_at_the_outcome() -> None:
    strict = policy(id="strict", effective_from="2016-03-01T00:00:00+08:00", exempt_causes=[])
    for at, kinds in ((local("2016-03-01") - 1, set()), (local("2016-03-01"), {"company_terminated"})):
        result = play(*BEGUN, case(at, cause="onetouch_unable"), policies=(policy(), strict), watermark=at)
        assert {one.kind for one in result.decisions if one.subject == "id:c"} == kinds
