"""S1 to S6, E1 to E3: deadlines, orders and requests of one account. The dates are computed by hand.

180 days from 1 March 2016: March has 30 left, April 30, May 31, June 30, July 31 = 152, so 28 August is the
180th day and the account is suspended at 00:00 of the 29th.
"""

from zoneinfo import ZoneInfo

import pytest

from tests.rules.story import QUIET, Story, at, policy, wall
from workers.rules.calendar import Instant
from workers.rules.policy import Policies

SUSPENDED = "2016-08-29 00:00 account_suspended"


def idle() -> Story:
    """Enrolled on 1 March 2016, suspended on 29 August."""
    return Story().enrolled("2016-03-01 10:00")


def test_e1_a_first_enrolment_makes_active() -> None:
    judged = idle().judged("2016-03-02 00:00")
    assert [(each.kind, each.clause, wall(each.effective_at)) for each in judged.decisions] == [
        ("account_enrolled", "E1", "2016-03-01 10:00")
    ]
    assert judged.status == "active"
    assert judged.next_check == at("2016-08-29 00:00")


def test_e1_a_move_to_another_company_changes_no_standing_and_decides_nothing() -> None:
    story = idle().enrolled("2016-05-01 00:00", "globex")
    assert story.decided() == [SUSPENDED]
    standing = story.judged("2016-06-01 00:00").standing
    assert standing is not None
    assert standing.company is not None
    assert standing.company.key == "id:globex"


def test_e1_a_doubled_enrolment_changes_nothing() -> None:
    assert idle().enrolled("2016-05-01 00:00").decided() == [SUSPENDED]


def test_e2_closing_ends_everything() -> None:
    story = idle().closed("2016-04-01 00:00").paid("2016-05-01 00:00").asks("2016-06-01 00:00")
    assert story.decided() == [
        "2016-04-01 00:00 account_closed",
        "2016-06-01 00:00 activation_refused not_enrolled",
    ]


def test_e2_an_enrolment_after_closing_is_new_and_carries_nothing_over() -> None:
    story = idle().closed("2016-10-01 00:00").enrolled("2016-10-02 00:00")
    # 180 days from 2 October: 29 + 30 + 31 + 31 + 28 = 149 to 28 February, 31 to 31 March = 180.
    assert story.decided() == [
        SUSPENDED,
        "2016-10-01 00:00 account_closed",
        "2016-10-02 00:00 account_enrolled",
        "2017-04-01 00:00 account_suspended",
    ]


def test_e3_facts_before_enrolment_decide_nothing_but_a_request_is_answered() -> None:
    story = Story().paid("2016-02-10 00:00").asks("2016-02-11 00:00").reapplies("2016-02-12 00:00")
    assert story.decided() == [
        "2016-02-11 00:00 activation_refused not_enrolled",
        "2016-02-12 00:00 reapplication_refused not_enrolled",
    ]
    assert story.judged().standing is None


def test_e3_a_late_enrolment_counts_as_if_it_had_arrived_first() -> None:
    story = Story().asks("2016-02-11 00:00").enrolled("2016-02-10 00:00")
    assert story.decided("2016-02-12 00:00") == ["2016-02-11 00:00 activation_refused not_suspended"]


def test_s1_a_payment_a_microsecond_before_the_deadline_prevents_the_suspension() -> None:
    story = idle().paid("2016-08-28 23:59:59.999999")
    # 28 August + 180: 3 + 30 + 31 + 30 + 31 + 31 = 156 to 31 January, 24 February is the 180th.
    assert story.decided() == ["2017-02-25 00:00 account_suspended"]


def test_s1_a_payment_at_the_very_deadline_is_too_late_and_restores() -> None:
    story = idle().paid("2016-08-29 00:00")
    assert story.decided("2016-09-01 00:00") == [SUSPENDED, "2016-08-29 00:00 account_restored o0"]


def test_s1_the_clock_of_an_account_enrolled_before_the_first_policy_starts_with_it() -> None:
    # 1 February 2016 + 180 days: 28 + 31 + 30 + 31 + 30 = 150, 30 July is the 180th.
    story = Story().enrolled("2015-06-01 00:00")
    assert story.decided() == ["2016-07-31 00:00 account_suspended"]


def test_s1_nothing_is_decided_before_the_first_policy() -> None:
    story = Story().enrolled("2015-01-01 00:00").asks("2015-12-31 00:00").closed("2016-01-01 00:00")
    assert story.judged().decisions == ()
    assert story.judged().status == "closed"


def test_s1_a_deadline_beyond_the_watermark_decides_nothing_and_is_the_next_check() -> None:
    judged = idle().judged("2016-08-28 23:59:59.999999")
    assert judged.status == "active"
    assert judged.next_check == at("2016-08-29 00:00")
    assert idle().judged("2016-08-29 00:00").status == "suspended"


def test_s1_facts_behind_an_undecided_deadline_wait() -> None:
    judged = idle().asks("2016-09-01 00:00").judged("2016-08-20 00:00")
    assert [each.kind for each in judged.decisions] == ["account_enrolled"]
    assert (judged.deferred, judged.next_check, judged.status) == (True, at("2016-08-29 00:00"), "active")


def test_s2_an_order_restores_a_suspended_account() -> None:
    story = idle().paid("2016-09-10 08:00")
    assert story.decided("2016-10-01 00:00") == [SUSPENDED, "2016-09-10 08:00 account_restored o0"]


def test_s2_an_order_lifts_the_lock_out() -> None:
    story = idle().asks("2016-09-01 00:00").paid("2016-09-20 00:00")
    assert story.decided("2016-10-01 00:00") == [
        SUSPENDED,
        "2016-09-01 00:00 activation_granted until 2016-09-17 00:00",
        "2016-09-17 00:00 reactivation_expired until 2016-10-18 00:00",
        "2016-09-20 00:00 account_restored o0",
    ]


def test_s3_a_request_while_active_is_refused() -> None:
    assert idle().asks("2016-04-01 00:00").decided("2016-05-01 00:00") == [
        "2016-04-01 00:00 activation_refused not_suspended"
    ]


def test_s3_a_second_request_while_temporarily_active_is_refused() -> None:
    story = idle().asks("2016-09-01 00:00").asks("2016-09-02 00:00")
    assert story.decided("2016-09-03 00:00")[1:] == [
        "2016-09-01 00:00 activation_granted until 2016-09-17 00:00",
        "2016-09-02 00:00 activation_refused already_temporarily_active",
    ]


def test_s3_a_request_at_the_instant_of_the_suspension_is_granted() -> None:
    # Ends of periods come first at one instant.
    assert idle().asks("2016-08-29 00:00").decided("2016-08-30 00:00") == [
        SUSPENDED,
        "2016-08-29 00:00 activation_granted until 2016-09-14 00:00",
    ]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("2016-10-17 23:59:59.999999", "activation_refused locked_out until 2016-10-18 00:00"),
        ("2016-10-18 00:00", "activation_granted until 2016-11-03 00:00"),
    ],
)
def test_s3_the_lock_out_ends_at_its_midnight(asked: str, answer: str) -> None:
    # Granted 1 September, expired 17 September, locked out for 30 days: 17 October is the 30th.
    story = idle().asks("2016-09-01 00:00").asks(asked)
    assert story.decided("2016-10-19 00:00")[3:] == [f"{asked} {answer}"]


def test_s4_an_order_on_the_last_day_of_the_activation_restores() -> None:
    story = idle().asks("2016-09-01 12:00").paid("2016-09-16 23:59:59.999999")
    restored = story.judged("2016-10-01 00:00").decisions[-1]
    assert (restored.kind, restored.clause) == ("account_restored", "S4")
    assert wall(restored.effective_at) == "2016-09-16 23:59:59.999999"


def test_s5_an_order_one_instant_too_late_finds_the_activation_expired() -> None:
    story = idle().asks("2016-09-01 12:00").paid("2016-09-17 00:00")
    decisions = story.judged("2016-10-01 00:00").decisions[-2:]
    assert [(each.kind, each.clause, wall(each.effective_at)) for each in decisions] == [
        ("reactivation_expired", "S5", "2016-09-17 00:00"),
        ("account_restored", "S2", "2016-09-17 00:00"),
    ]


def test_s6_each_notice_is_given_once_a_period() -> None:
    story = Story(policies=[policy()]).enrolled("2016-03-01 10:00").asks("2016-09-01 00:00")
    assert story.decided("2016-09-17 00:00") == [
        "2016-07-30 00:00 suspension_notice 30",
        "2016-08-22 00:00 suspension_notice 7",
        "2016-08-28 00:00 suspension_notice 1",
        SUSPENDED,
        "2016-09-01 00:00 activation_granted until 2016-09-17 00:00",
        "2016-09-14 00:00 expiry_notice 3",
        "2016-09-16 00:00 expiry_notice 1",
        "2016-09-17 00:00 reactivation_expired until 2016-10-18 00:00",
    ]


def test_s6_a_notice_stays_right_when_the_seller_then_acts() -> None:
    story = Story(policies=[policy()]).enrolled("2016-03-01 10:00").paid("2016-08-01 00:00")
    assert story.decided("2016-08-15 00:00") == ["2016-07-30 00:00 suspension_notice 30"]


def test_s6_a_notice_that_is_not_later_than_the_periods_start_is_not_given() -> None:
    short = policy(inactivity_days=7, inactivity_notices=(30, 7, 1))
    story = Story(policies=[short]).enrolled("2016-03-01 00:00")
    # The deadline is 9 March; 7 days before is 2 March, later than the start; 30 days before is not.
    assert story.decided("2016-03-10 00:00") == [
        "2016-03-02 00:00 suspension_notice 7",
        "2016-03-08 00:00 suspension_notice 1",
        "2016-03-09 00:00 account_suspended",
    ]


def test_two_orders_at_one_instant_restore_by_the_smallest_id_and_stand_as_evidence_by_the_largest() -> None:
    story = idle().paid("2016-09-10 00:00", "b").paid("2016-09-10 00:00", "a").paid("2016-09-10 00:00", "c")
    restored, suspended = story.judged().decisions[-2:]
    assert restored.details["order_id"] == "a"
    assert suspended.evidence[0].id == "c"


def test_a_period_is_judged_by_the_policy_in_force_when_it_started() -> None:
    strict = policy("2016-04-01 00:00", "strict", inactivity_days=30, inactivity_notices=())
    story = Story(policies=[QUIET, strict]).enrolled("2016-03-01 10:00")
    suspended = story.judged().decisions[-1]
    assert (wall(suspended.effective_at), suspended.policy.id) == ("2016-08-29 00:00", "2016-02")


def test_an_order_under_a_stricter_policy_begins_a_period_under_it() -> None:
    strict = policy("2016-04-01 00:00", "strict", inactivity_days=30, inactivity_notices=())
    story = Story(policies=[QUIET, strict]).enrolled("2016-03-01 10:00").paid("2016-04-01 00:00")
    suspended = story.judged().decisions[-1]
    assert (wall(suspended.effective_at), suspended.policy.id) == ("2016-05-02 00:00", "strict")


def test_next_check_is_never_beyond_the_next_policys_start() -> None:
    strict = policy("2016-04-01 00:00", "strict", inactivity_days=30)
    judged = Story(policies=[QUIET, strict]).enrolled("2016-03-01 10:00").judged("2016-03-02 00:00")
    assert judged.next_check == at("2016-04-01 00:00")


def test_an_account_enrolled_before_the_first_policy_wakes_when_it_begins() -> None:
    judged = Story().enrolled("2015-06-01 00:00").judged("2015-07-01 00:00")
    assert judged.standing is None
    assert judged.next_check == Policies([QUIET]).first_start


def test_orders_close_to_one_another_are_kept_as_one_span_in_which_no_deadline_decides() -> None:
    story = Story(policies=[policy()]).enrolled("2016-03-01 00:00")
    for day in ("2016-03-02 00:00", "2016-07-01 00:00", "2016-10-01 00:00", "2017-02-01 00:00"):
        story.paid(day)
    spans = story.history.orders
    assert [(wall(span.first.at), wall(span.last.at)) for span in spans] == [("2016-03-02 00:00", "2017-02-01 00:00")]
    assert story.decided("2017-02-02 00:00") == []


APIA = ZoneInfo("Pacific/Apia")
LEFT_OUT = at("2011-12-31 00:00", APIA)
"""Apia has no 30 December 2011: the midnight of the 30th is that of the 31st."""
HOUR: Instant = 3_600_000_000


@pytest.mark.parametrize(
    ("day_count", "start", "days", "deadline", "notices"),
    [
        ("calendar", -84 * HOUR, 4, 0, [(-48 * HOUR, 3), (-24 * HOUR, 2)]),  # the 26th; a day before is the deadline
        ("calendar", -84 * HOUR, 3, 0, [(-48 * HOUR, 3), (-24 * HOUR, 2)]),  # the deadline itself is left out
        ("calendar", -12 * HOUR, 1, 0, []),  # the 29th
        ("calendar", -12 * HOUR, 2, 24 * HOUR, [(0, 2), (0, 1)]),
        ("calendar", 0, 1, 48 * HOUR, [(24 * HOUR, 1)]),  # two and three days before are the start
        ("calendar", 1, 2, 72 * HOUR, [(24 * HOUR, 2), (48 * HOUR, 1)]),  # three days before is before the start
        ("elapsed", -12 * HOUR, 2, 36 * HOUR, [(12 * HOUR, 1)]),  # two days before are the start
        ("elapsed", -96 * HOUR, 4, 0, [(-72 * HOUR, 3), (-48 * HOUR, 2), (-24 * HOUR, 1)]),
    ],
)
def test_s6_where_a_zone_leaves_out_a_day_a_notice_comes_after_the_start_and_before_the_deadline(
    day_count: str, start: Instant, days: int, deadline: Instant, notices: list[tuple[Instant, int]]
) -> None:
    in_apia = policy(
        zone=APIA,
        day_count=day_count,
        inactivity_days=days,
        inactivity_notices=(3, 2, 1),
        activation_days=days,
        activation_notices=(1, 2, 3),
    )
    expected = LEFT_OUT + deadline, [(LEFT_OUT + when, left) for when, left in notices]
    assert in_apia.inactivity(LEFT_OUT + start) == in_apia.activation(LEFT_OUT + start) == expected
    assert in_apia.first_deadline(LEFT_OUT + start) == (expected[1][0][0] if notices else expected[0])
