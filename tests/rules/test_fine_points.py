"""Fine points of the rulebook that a small slip in the code would miss; each has its patch in `tests/mutants`."""

import pytest

from tests.rules.story import QUIET, Story, policy
from workers.rules.policy import Policy


def test_s1_elapsed_days_have_24_hours() -> None:
    elapsed = policy(day_count="elapsed", inactivity_notices=())
    story = Story(policies=[elapsed]).enrolled("2016-03-01 10:00")
    assert story.decided() == ["2016-08-28 10:00 account_suspended"]


def test_s3_a_lock_out_that_an_order_lifted_is_lifted_after_the_next_suspension_too() -> None:
    long = policy(inactivity_days=5, activation_days=5, lockout_days=90, inactivity_notices=(), activation_notices=())
    story = Story(policies=[long]).enrolled("2016-03-01 10:00")
    story.asks("2016-03-10 00:00").paid("2016-03-20 00:00").asks("2016-04-01 00:00")
    assert story.decided("2016-04-02 00:00") == [
        "2016-03-07 00:00 account_suspended",
        "2016-03-10 00:00 activation_granted until 2016-03-16 00:00",
        "2016-03-16 00:00 reactivation_expired until 2016-06-15 00:00",
        "2016-03-20 00:00 account_restored o0",
        "2016-03-26 00:00 account_suspended",
        "2016-04-01 00:00 activation_granted until 2016-04-07 00:00",
    ]


def test_s5_a_lock_out_is_judged_by_the_policy_in_force_at_the_expiry_which_the_period_s_policy_decides() -> None:
    mild = policy("2016-09-10 00:00", "mild", lockout_days=10)
    story = Story(policies=[QUIET, mild]).enrolled("2016-03-01 10:00").asks("2016-09-01 12:00")
    expired = story.judged("2016-10-01 00:00").decisions[-1]
    assert story.decided("2016-10-01 00:00")[-1] == "2016-09-17 00:00 reactivation_expired until 2016-09-28 00:00"
    assert expired.policy.id == "2016-02"


def test_s6_a_notice_at_the_very_start_of_its_period_is_not_given() -> None:
    short = policy(inactivity_days=7, inactivity_notices=(8, 7))
    story = Story(policies=[short]).enrolled("2016-03-01 00:00")
    # The deadline is 9 March; 8 days before is 1 March, the start itself.
    assert story.decided("2016-03-10 00:00") == [
        "2016-03-02 00:00 suspension_notice 7",
        "2016-03-09 00:00 account_suspended",
    ]


def test_t1_cases_of_another_category_do_not_count() -> None:
    story = Story().enrolled("2016-05-01 10:00")
    for number, category in enumerate(("late_shipment", "rudeness", "late_shipment")):
        story.case(f"2016-06-0{number + 1} 00:00", case_id=f"k{number}", category=category)
    assert story.decided("2016-07-01 00:00") == [
        "2016-06-01 00:00 violation_warned c0",
        "2016-06-02 00:00 violation_warned c1",
        "2016-06-03 00:00 violation_warned c2",
    ]


def test_x3_a_spell_of_a_former_enrolment_does_not_affect_the_next() -> None:
    story = Story().enrolled("2016-03-01 10:00")  # suspended on 29 August, and so at the first termination
    story.case("2016-09-01 00:00").closed("2016-09-02 00:00").enrolled("2016-09-03 00:00", "globex")
    story.case("2016-09-10 00:00", case_id="k2").case("2016-09-11 00:00", "reversed", case_id="k2")
    assert story.decided("2016-09-12 00:00")[2:] == [
        "2016-09-02 00:00 account_closed",
        "2016-09-03 00:00 account_enrolled",
        "2016-09-10 00:00 account_terminated c1 until 2016-12-10 00:00",
        "2016-09-11 00:00 account_reinstated c2 active",
    ]


def test_at_one_instant_an_order_comes_before_a_request() -> None:
    story = Story().enrolled("2016-03-01 10:00").asks("2016-09-05 00:00").paid("2016-09-05 00:00")
    assert story.decided("2016-09-06 00:00") == [
        "2016-08-29 00:00 account_suspended",
        "2016-09-05 00:00 account_restored o0",
        "2016-09-05 00:00 activation_refused not_suspended",
    ]


@pytest.mark.parametrize(
    ("rules", "paid", "decided"),
    [
        (policy(), "2016-07-31 00:00", ["2016-07-31 00:00 suspension_notice 30"]),
        (policy(), "2016-07-30 23:59:59.999999", []),
        (QUIET, "2016-08-30 00:00", ["2016-08-30 00:00 account_suspended", "2016-08-30 00:00 account_restored o1"]),
        (QUIET, "2016-08-29 23:59:59.999999", []),
    ],
)
def test_an_order_at_the_very_instant_of_a_notice_or_deadline_begins_a_span_of_its_own(
    rules: Policy, paid: str, decided: list[str]
) -> None:
    story = Story(policies=[rules]).enrolled("2016-03-01 00:00").paid("2016-03-02 10:00").paid(paid)
    assert len(story.history.orders) == 1 + bool(decided)
    assert story.decided("2016-09-01 00:00") == decided
