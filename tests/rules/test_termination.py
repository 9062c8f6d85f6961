"""T1 to T5, X1 to X4: cases, companies, exemptions and reversals. The dates are worked out by hand.

90 days from 1 June 2016: June has 29 left, July 31 = 60, August 30 = 90, so the period ends at 00:00 of the
31st of August.
"""

from decimal import Decimal

import pytest

from tests.rules.story import QUIET, Story, at, policy
from workers.rules.facts import company_key
from workers.rules.policy import Violation

HIT = "account_terminated c0 until 2016-08-31 00:00"


def seller(account_id: str = "a") -> Story:
    return Story(account_id).enrolled("2016-05-01 10:00").paid("2016-05-02 00:00")


def terminated() -> Story:
    return seller().case("2016-06-01 00:00")


def test_t1_a_case_upheld_terminates() -> None:
    assert terminated().decided("2016-07-01 00:00") == [f"2016-06-01 00:00 {HIT}"]


def test_t1_an_inspection_needs_no_complaint() -> None:
    story = seller().case("2016-06-01 00:00", source="platform_inspection")
    decision = story.judged("2016-07-01 00:00").decisions[-1]
    assert decision.kind == "account_terminated"
    assert decision.details["source"] == "platform_inspection"


@pytest.mark.parametrize("outcome", ["opened", "dismissed", "withdrawn", "reversed"])
def test_t1_only_an_upheld_outcome_counts(outcome: str) -> None:
    assert seller().case("2016-06-01 00:00", outcome).decided("2016-07-01 00:00") == []


def test_t1_an_outcome_that_repeats_the_one_in_force_changes_nothing() -> None:
    story = terminated().case("2016-06-05 00:00").case("2016-06-06 00:00", "opened")
    assert story.decided("2016-07-01 00:00") == [f"2016-06-01 00:00 {HIT}"]


def test_t1_a_category_may_only_warn_or_do_nothing() -> None:
    story = seller().case("2016-06-01 00:00", category="rudeness")
    story.case("2016-06-02 00:00", case_id="k2", category="typo_in_listing")
    assert story.decided("2016-07-01 00:00") == ["2016-06-01 00:00 violation_warned c0"]


def late(*days: str) -> Story:
    story = seller()
    for number, day in enumerate(days):
        story.case(day, case_id=f"k{number}", category="late_shipment")
    return story


def test_t1_the_third_late_shipment_in_90_days_terminates_and_each_further_one() -> None:
    story = late("2016-06-01 00:00", "2016-06-02 00:00", "2016-06-03 00:00", "2016-06-04 00:00")
    assert story.decided("2016-06-05 00:00") == [
        "2016-06-01 00:00 violation_warned c0",
        "2016-06-02 00:00 violation_warned c1",
        "2016-06-03 00:00 account_terminated c2 until 2016-09-02 00:00",
        "2016-06-04 00:00 account_terminated c3 until 2016-09-03 00:00",
    ]


@pytest.mark.parametrize(
    ("third", "kind"),
    [("2016-08-30 23:59:59.999999", "account_terminated"), ("2016-08-31 00:00", "violation_warned")],
)
def test_t1_an_earlier_case_counts_up_to_the_end_of_its_90_days(third: str, kind: str) -> None:
    story = late("2016-06-01 00:00", "2016-08-01 00:00", third)
    assert story.judged("2016-09-01 00:00").decisions[-1].kind == kind


def test_t1_a_case_before_the_latest_enrolment_does_not_count() -> None:
    story = late("2016-06-01 00:00", "2016-06-02 00:00").closed("2016-06-03 00:00").enrolled("2016-06-04 00:00")
    story.case("2016-06-05 00:00", case_id="k9", category="late_shipment")
    assert story.decided("2016-06-06 00:00")[-1] == "2016-06-05 00:00 violation_warned c2"


def test_t1_outcomes_before_the_first_policy_are_in_force_but_do_not_count() -> None:
    story = Story().enrolled("2015-01-01 00:00").case("2015-06-01 00:00")
    story.case("2016-06-01 00:00")  # repeats the outcome in force
    assert story.decided("2016-07-01 00:00") == []


def test_t2_termination_hits_every_account_of_the_company_whatever_its_standing() -> None:
    idle = Story("b").enrolled("2015-01-01 00:00").company_hit(seller("a").case("2016-09-01 00:00"))
    assert idle.decided("2016-10-01 00:00") == [
        "2016-07-31 00:00 account_suspended",
        "2016-09-01 00:00 account_terminated c0 until 2016-12-01 00:00",
    ]


def test_t2_a_closed_account_is_not_hit_but_its_case_terminates_the_company() -> None:
    root = seller("a").closed("2016-05-20 00:00").case("2016-06-01 00:00")
    assert root.decided("2016-07-01 00:00") == ["2016-05-20 00:00 account_closed"]
    assert root.of_company() == ["2016-06-01 00:00 company_terminated c0"]
    assert seller("b").company_hit(root).decided("2016-07-01 00:00") == [f"2016-06-01 00:00 {HIT}"]


def test_t2_a_terminated_account_is_hit_again_by_another_case() -> None:
    story = terminated().case("2016-06-11 00:00", case_id="k2")
    assert story.decided("2016-07-01 00:00") == [
        f"2016-06-01 00:00 {HIT}",
        "2016-06-11 00:00 account_terminated c1 until 2016-09-10 00:00",
    ]


def test_t2_an_account_that_left_the_company_does_not_wait_for_its_terminations() -> None:
    terminated_later = seller().case("2016-11-01 00:00")
    left = seller("b").enrolled("2016-05-03 00:00", "globex").company_hit(terminated_later)
    stayed = seller("b").company_hit(terminated_later)
    assert [each.judged("2016-10-01 00:00").deferred for each in (left, stayed)] == [False, True]


def test_x3_an_account_that_a_termination_does_not_apply_to_does_not_wait_for_its_reversal() -> None:
    reversed_later = terminated().case("2017-04-01 00:00", "reversed")
    readmitted = seller("b").reapplies("2016-09-01 00:00").company_hit(reversed_later)
    assert (judged := readmitted.judged("2017-02-01 00:00")).status == "active"
    assert not judged.deferred


def test_t2_an_account_that_left_the_company_before_is_not_terminated() -> None:
    mover = seller("b").enrolled("2016-05-31 00:00", "globex").company_hit(terminated())
    assert mover.decided("2016-07-01 00:00") == []


def test_t2_one_id_with_two_names_is_one_company_and_an_id_and_a_name_never_match() -> None:
    assert company_key("acme", "Acme") == company_key("acme", "ACME Ltd") == "id:acme"
    assert company_key(None, "  ACME\t Ltd ") == company_key(None, "acme ltd") == "name:acme ltd"


@pytest.mark.parametrize(
    ("when", "answer"),
    [
        ("2016-08-30 23:59:59.999999", "reapplication_refused too_early until 2016-08-31 00:00"),
        ("2016-08-31 00:00", "reapplication_accepted"),
    ],
)
def test_t3_reapplication_on_day_90_is_too_early_and_on_day_91_accepted(when: str, answer: str) -> None:
    assert terminated().reapplies(when).decided("2016-09-01 00:00")[1:] == [f"{when} {answer}"]


def test_t3_the_clock_starts_at_the_request() -> None:
    # 31 August 2016 + 180: 30 + 31 + 30 + 31 + 31 = 153 to 31 January, 27 February is the 180th.
    story = terminated().reapplies("2016-08-31 00:00")
    assert story.decided()[-1] == "2017-02-28 00:00 account_suspended"


def test_t3_the_latest_termination_counts() -> None:
    story = terminated().case("2016-06-11 00:00", case_id="k2").reapplies("2016-09-01 00:00")
    assert story.decided("2016-09-02 00:00")[-1] == (
        "2016-09-01 00:00 reapplication_refused too_early until 2016-09-10 00:00"
    )


def test_t3_an_account_that_is_not_terminated_or_not_enrolled_is_refused() -> None:
    story = seller().reapplies("2016-06-01 00:00").closed("2016-06-02 00:00").reapplies("2016-06-03 00:00")
    assert story.decided("2016-06-04 00:00") == [
        "2016-06-01 00:00 reapplication_refused not_terminated",
        "2016-06-02 00:00 account_closed",
        "2016-06-03 00:00 reapplication_refused not_enrolled",
    ]


@pytest.mark.parametrize("when", ["2016-06-01 00:00:00.000001", "2016-08-30 23:59:59.999999"])
def test_t4_an_account_that_joins_a_terminated_company_is_terminated_with_its_dates(when: str) -> None:
    joiner = Story("b").enrolled(when).company_hit(terminated())
    decisions = joiner.judged("2016-09-05 00:00").decisions
    assert [(each.kind, each.clause) for each in decisions] == [
        ("account_enrolled", "E1"),
        ("account_terminated", "T4"),
    ]
    assert decisions[1].instants["reapply_from"] == at("2016-08-31 00:00")


def test_t4_at_the_end_of_the_90_days_joining_is_free() -> None:
    joiner = Story("b").enrolled("2016-08-31 00:00").company_hit(terminated())
    assert joiner.decided("2016-09-05 00:00") == []


def test_t4_an_account_that_joins_at_the_instant_of_the_case_is_terminated_by_it() -> None:
    joiner = Story("b").enrolled("2016-06-01 00:00").company_hit(terminated())
    assert [each.clause for each in joiner.judged("2016-07-01 00:00").decisions] == ["E1", "T2"]


def test_t4_an_account_that_joins_at_the_instant_of_the_reversal_is_terminated_and_reinstated_active() -> None:
    joiner = Story("b").enrolled("2016-06-10 00:00")
    joiner.company_hit(terminated().case("2016-06-10 00:00", "reversed"))
    assert joiner.decided("2016-07-01 00:00") == [
        "2016-06-10 00:00 account_terminated c0 until 2016-08-31 00:00",
        "2016-06-10 00:00 account_reinstated c1 active",
    ]


def test_t4_an_account_that_left_and_came_back_is_not_terminated_twice_by_one_termination() -> None:
    story = terminated().enrolled("2016-06-10 00:00", "globex").enrolled("2016-06-11 00:00", "acme")
    assert story.decided("2016-07-01 00:00") == [f"2016-06-01 00:00 {HIT}"]


def test_t5_orders_restore_nothing_and_an_activation_is_refused() -> None:
    story = terminated().paid("2016-06-02 00:00").asks("2016-06-03 00:00").asks("2016-09-03 00:00")
    assert story.decided("2016-10-01 00:00")[1:] == [
        "2016-06-03 00:00 activation_refused terminated until 2016-08-31 00:00",
        "2016-09-03 00:00 activation_refused terminated until 2016-08-31 00:00",
    ]


def test_x1_a_case_with_an_exempt_cause_is_never_the_sellers() -> None:
    for category in ("refusal_of_trade_assurance", "late_shipment", "rudeness"):
        story = seller().case("2016-06-01 00:00", category=category, cause="onetouch_unable")
        assert story.decided("2016-07-01 00:00") == []


def test_x2_terms_not_agreed_is_no_refusal_but_exempts_no_other_category() -> None:
    assert seller().case("2016-06-01 00:00", cause="terms_not_agreed").decided("2016-07-01 00:00") == []
    warned = seller().case("2016-06-01 00:00", category="rudeness", cause="terms_not_agreed")
    assert warned.decided("2016-07-01 00:00") == ["2016-06-01 00:00 violation_warned c0"]


@pytest.mark.parametrize(
    ("value", "currency", "terminates"),
    [("49.99", "USD", False), ("50.00", "USD", True), ("49.99", "EUR", True), (None, None, True)],
)
def test_x2_an_order_strictly_below_the_minimum_value_may_be_refused(
    value: str | None, currency: str | None, terminates: bool
) -> None:
    row = Violation("terminate", minimum_order_value=Decimal("50.00"), minimum_order_currency="USD")
    story = Story(policies=[policy(violations={"refusal_of_trade_assurance": row})]).enrolled("2016-05-01 00:00")
    amount = None if value is None else Decimal(value)
    story.case("2016-06-01 00:00", order_value=amount, order_currency=currency)
    assert bool(story.decided("2016-06-02 00:00")) is terminates


@pytest.mark.parametrize("outcome", ["dismissed", "withdrawn", "reversed"])
def test_x3_a_reversal_reinstates_an_active_account_active(outcome: str) -> None:
    story = terminated().case("2016-06-10 00:00", outcome)
    assert story.decided("2016-07-01 00:00")[1:] == ["2016-06-10 00:00 account_reinstated c1 active"]
    assert story.of_company() == [
        "2016-06-01 00:00 company_terminated c0",
        "2016-06-10 00:00 company_termination_reversed c1",
    ]
    # The clock starts at the reversal: 10 June + 180: 20 + 31 + 31 + 30 + 31 + 30 = 173, 7 December.
    assert story.decided()[-1] == "2016-12-08 00:00 account_suspended"


def test_x3_upheld_again_with_an_exempt_cause_is_a_reversal() -> None:
    story = terminated().case("2016-06-10 00:00", cause="onetouch_unable")
    assert story.decided("2016-07-01 00:00")[1:] == ["2016-06-10 00:00 account_reinstated c1 active"]


def suspended_then_hit() -> Story:
    """Suspended on 31 July 2016, terminated on 1 September."""
    return Story().enrolled("2015-01-01 00:00").case("2016-09-01 00:00")


def test_x3_a_suspended_account_is_reinstated_suspended_with_no_lock_out_and_no_period() -> None:
    story = suspended_then_hit().case("2016-09-10 00:00", "reversed").asks("2016-09-11 00:00")
    assert story.decided("2016-09-12 00:00")[2:] == [
        "2016-09-10 00:00 account_reinstated c1 suspended",
        "2016-09-11 00:00 activation_granted until 2016-09-27 00:00",
    ]


@pytest.mark.parametrize(
    ("paid", "standing"),
    [
        ("2016-08-31 23:59:59.999999", "active"),
        ("2016-09-01 00:00", "active"),
        ("2016-09-09 23:59:59.999999", "active"),
    ],
)
def test_x3_an_order_since_the_termination_counts_for_the_reinstatement(paid: str, standing: str) -> None:
    story = suspended_then_hit().case("2016-09-10 00:00", "reversed").paid(paid)
    assert story.decided("2016-09-12 00:00")[-1] == f"2016-09-10 00:00 account_reinstated c1 {standing}"


def test_x3_an_order_at_the_very_reversal_restores_after_it() -> None:
    story = suspended_then_hit().case("2016-09-10 00:00", "reversed").paid("2016-09-10 00:00")
    assert story.decided("2016-09-12 00:00")[2:] == [
        "2016-09-10 00:00 account_reinstated c1 suspended",
        "2016-09-10 00:00 account_restored o0",
    ]


def test_x3_another_termination_stays_in_force() -> None:
    story = terminated().case("2016-06-05 00:00", case_id="k2").case("2016-06-10 00:00", "reversed")
    assert story.judged("2016-07-01 00:00").status == "terminated"
    story.case("2016-06-11 00:00", "reversed", case_id="k2")
    assert story.decided("2016-07-01 00:00")[-1] == "2016-06-11 00:00 account_reinstated c3 active"


def test_x3_an_account_readmitted_since_is_not_reinstated() -> None:
    story = terminated().reapplies("2016-08-31 00:00").case("2016-09-10 00:00", "reversed")
    assert story.decided("2016-10-01 00:00")[1:] == ["2016-08-31 00:00 reapplication_accepted"]


def test_x3_a_spell_ends_with_the_readmission_and_the_next_one_begins_as_the_account_stands_then() -> None:
    story = terminated().reapplies("2016-08-31 00:00")  # active at the first hit, suspended on 28 February
    story.case("2017-03-10 00:00", case_id="k2").case("2017-03-20 00:00", "reversed", case_id="k2")
    assert story.decided("2017-03-21 00:00")[1:] == [
        "2016-08-31 00:00 reapplication_accepted",
        "2017-02-28 00:00 account_suspended",
        "2017-03-10 00:00 account_terminated c1 until 2017-06-09 00:00",
        "2017-03-20 00:00 account_reinstated c2 suspended",
    ]


def test_x3_an_account_closed_since_stays_closed_and_one_that_moved_is_reinstated_in_its_company() -> None:
    closed = terminated().closed("2016-06-05 00:00").case("2016-06-10 00:00", "reversed")
    assert closed.judged("2016-07-01 00:00").status == "closed"
    moved = terminated().enrolled("2016-06-05 00:00", "globex").case("2016-06-10 00:00", "reversed")
    decision = moved.judged("2016-07-01 00:00").decisions[-1]
    assert (decision.kind, decision.company and decision.company.key) == ("account_reinstated", "id:globex")


def test_x3_upheld_once_more_after_a_reversal_is_a_new_termination() -> None:
    story = terminated().case("2016-06-10 00:00", "reversed").case("2016-06-20 00:00")
    assert story.decided("2016-07-01 00:00")[1:] == [
        "2016-06-10 00:00 account_reinstated c1 active",
        "2016-06-20 00:00 account_terminated c2 until 2016-09-19 00:00",
    ]


def test_x3_taking_back_an_earlier_counted_case_does_not_undo_a_later_termination() -> None:
    story = late("2016-06-01 00:00", "2016-06-02 00:00", "2016-06-03 00:00")
    story.case("2016-06-04 00:00", "reversed", case_id="k0", category="late_shipment")
    assert story.judged("2016-06-05 00:00").status == "terminated"


def test_x4_a_warning_taken_back_no_longer_counts_and_decides_nothing() -> None:
    story = late("2016-06-01 00:00", "2016-06-02 00:00")
    story.case("2016-06-03 00:00", "reversed", case_id="k0", category="late_shipment")
    story.case("2016-06-04 00:00", case_id="k9", category="late_shipment")
    assert story.decided("2016-06-05 00:00") == [
        "2016-06-01 00:00 violation_warned c0",
        "2016-06-02 00:00 violation_warned c1",
        "2016-06-04 00:00 violation_warned c3",
    ]


def test_a_case_is_judged_by_the_policy_in_force_at_its_outcome() -> None:
    mild = policy("2016-06-15 00:00", "mild", reapply_days=10, violations={"rudeness": Violation("terminate")})
    story = Story(policies=[QUIET, mild]).enrolled("2016-05-01 00:00")
    story.case("2016-06-14 23:59:59.999999", category="rudeness")
    story.case("2016-06-15 00:00", case_id="k2", category="rudeness")
    assert story.decided("2016-06-20 00:00") == [
        "2016-06-14 23:59:59.999999 violation_warned c0",
        "2016-06-15 00:00 account_terminated c1 until 2016-06-26 00:00",
    ]
