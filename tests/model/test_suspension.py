"""Suspension, temporary activation, lock-out and notices (S1 to S6) in the model."""

from zoneinfo import ZoneInfo

import pytest

from tests.model.story import activation, enrolled, local, only, order, play, policy, told

# Enrolled on 10 February 2016: the 180th day is 8 August (see test_time), the end 00:00 of 9 August.
SUSPENDED = local("2016-08-09")
# Activated on 10 August: the 15th day is 25 August, the end 00:00 of 26 August.
EXPIRED = local("2016-08-26")
# Expired at 00:00 of 26 August: the 30th day after it is 25 September, the lock-out ends at 00:00 of 26 September.
UNLOCKED = local("2016-09-26")
ENROLLED = enrolled("2016-02-10 09:00")


def test_s1_s6_deadline_is_noticed_three_times_and_then_suspends() -> None:
    result = play(ENROLLED)
    assert told(result, notices=True)[1:] == [
        ("suspension_notice", "S6", local("2016-07-10")),
        ("suspension_notice", "S6", local("2016-08-02")),
        ("suspension_notice", "S6", local("2016-08-08")),
        ("account_suspended", "S1", SUSPENDED),
    ]
    assert [(one.days_left, one.deadline, one.cause) for one in result.decisions[1:4]] == [
        (30, SUSPENDED, "30"), (7, SUSPENDED, "7"), (1, SUSPENDED, "1"),
    ]  # fmt: skip
    suspended = only(result, "account_suspended")
    assert (suspended.cause, suspended.standing_before, suspended.standing_after) == ("", "active", "suspended")
    assert (result.accounts["a"].standing, result.accounts["a"].since) == ("suspended", SUSPENDED)


def test_s1_an_order_one_microsecond_before_the_end_restarts_the_clock() -> None:
    result = play(ENROLLED, order(SUSPENDED - 1), watermark=SUSPENDED)
    assert [kind for kind, _, _ in told(result, notices=True)] == ["account_enrolled"] + ["suspension_notice"] * 3
    # Local day 8 August + 180: 23 days to 31 August, then 53, 84, 114, 145, 176 (31 January); 4 February is day 180.
    assert result.accounts["a"].deadline == local("2017-02-05")


@pytest.mark.parametrize("late_by", [0, 1])
def test_s2_an_order_at_the_very_end_or_after_it_restores(late_by: int) -> None:
    result = play(ENROLLED, order(SUSPENDED + late_by, order_id="o7"), watermark=SUSPENDED + 1)
    assert told(result)[1:] == [
        ("account_suspended", "S1", SUSPENDED),
        ("account_restored", "S2", SUSPENDED + late_by),
    ]
    restored = only(result, "account_restored")
    assert (restored.order_id, restored.cause) == ("o7", "o7")
    assert (restored.standing_before, restored.standing_after) == ("suspended", "active")


def test_s1_an_order_that_moves_between_two_effective_statuses_is_no_new_entry() -> None:
    moved = order("2016-08-01", status="awaiting_shipment", previous_status="待付足预付款")
    paid = order("2016-08-02", status="shipped")
    assert told(play(ENROLLED, moved, paid))[1:] == [("account_suspended", "S1", SUSPENDED)]


@pytest.mark.parametrize("status", ["awaiting_full_prepayment", "待卖家发货", "待您确认预付款金额", "待付足预付款"])
def test_s1_each_name_of_the_three_statuses_counts(status: str) -> None:
    result = play(
        ENROLLED, order("2016-02-20", status=status, previous_status="drafted"), watermark=local("2016-03-01")
    )
    assert result.accounts["a"].deadline == local("2016-08-19")


def test_s3_a_suspended_account_is_activated_and_others_are_refused_with_the_reason() -> None:
    result = play(
        ENROLLED, activation("2016-03-01", request="q1"), activation("2016-08-10 12:00", request="q2"),
        activation("2016-08-11", request="q3"), watermark=local("2016-08-12"),
    )  # fmt: skip
    answers = [one for one in result.decisions if one.request_id]
    assert [(one.kind, one.reason, one.request_id, one.expires_at, one.not_before) for one in answers] == [
        ("activation_refused", "not_suspended", "q1", None, None),
        ("activation_granted", None, "q2", EXPIRED, None),
        ("activation_refused", "already_temporarily_active", "q3", None, None),
    ]
    assert result.accounts["a"].deadline == EXPIRED


def test_s4_an_order_one_microsecond_before_the_end_of_the_activation_restores() -> None:
    result = play(ENROLLED, activation("2016-08-10"), order(EXPIRED - 1), watermark=EXPIRED)
    assert told(result)[-1] == ("account_restored", "S4", EXPIRED - 1)
    assert result.accounts["a"].standing == "active"


@pytest.mark.parametrize("late_by", [0, 1])
def test_s5_s2_an_order_at_the_end_of_the_activation_is_too_late_for_it_and_lifts_the_lock_out(late_by: int) -> None:
    result = play(
        ENROLLED, activation("2016-08-10", request="q1"), order(EXPIRED + late_by),
        activation("2016-09-01", request="q2"), watermark=local("2016-09-01"),
    )  # fmt: skip
    assert told(result)[2:] == [
        ("activation_granted", "S3", local("2016-08-10")),
        ("reactivation_expired", "S5", EXPIRED),
        ("account_restored", "S2", EXPIRED + late_by),
        ("activation_refused", "S3", local("2016-09-01")),
    ]
    assert only(result, "activation_refused").reason == "not_suspended"


def test_s5_s6_an_activation_without_an_order_is_noticed_twice_and_expires() -> None:
    result = play(ENROLLED, activation("2016-08-10"))
    assert told(result, notices=True)[6:] == [
        ("expiry_notice", "S6", local("2016-08-23")),
        ("expiry_notice", "S6", local("2016-08-25")),
        ("reactivation_expired", "S5", EXPIRED),
    ]
    expired = only(result, "reactivation_expired")
    assert (expired.locked_out_until, expired.cause) == (UNLOCKED, "")
    assert (expired.standing_before, expired.standing_after) == ("temporarily_active", "suspended")


@pytest.mark.parametrize(("asked_at", "reason", "not_before"), [
    (UNLOCKED - 1, "locked_out", UNLOCKED), (UNLOCKED, None, None), (UNLOCKED + 1, None, None),
])  # fmt: skip
def test_s3_a_request_is_granted_from_the_end_of_the_lock_out_on(
    asked_at: int, reason: str | None, not_before: int | None
) -> None:
    result = play(
        ENROLLED, activation("2016-08-10", request="q1"), activation(asked_at, request="q2"), watermark=asked_at
    )
    answer = result.decisions[-1]
    assert (answer.request_id, answer.reason, answer.not_before) == ("q2", reason, not_before)
    assert answer.kind == ("activation_refused" if reason else "activation_granted")


def test_s6_a_notice_that_would_not_be_later_than_the_start_of_its_period_is_left_out() -> None:
    # 3 days from 10 February: the end is 00:00 of 14 February. 4 days before is 00:00 of the 10th, the start itself;
    # 3 days before is 00:00 of the 11th.
    short = policy(inactivity_days=3, inactivity_notices=[4, 3, 3])
    result = play(enrolled("2016-02-10 00:00"), policies=(short,))
    assert told(result, notices=True)[1:] == [
        ("suspension_notice", "S6", local("2016-02-11")),
        ("account_suspended", "S1", local("2016-02-14")),
    ]


def test_s6_notices_are_given_again_in_each_period_and_are_not_withdrawn() -> None:
    # The order of 11 July comes one day after the first notice. 11 July + 180: 20 days to 31 July, then 51, 81, 112,
    # 142, 173 (31 December); 7 January is day 180: the end is 8 January, 30 days before it 9 December.
    result = play(ENROLLED, order("2016-07-11"), watermark=local("2016-12-09"))
    assert told(result, notices=True)[1:] == [
        ("suspension_notice", "S6", local("2016-07-10")),
        ("suspension_notice", "S6", local("2016-12-09")),
    ]


def test_elapsed_days_end_at_the_hour_of_the_start() -> None:
    result = play(ENROLLED, policies=(policy(day_count="elapsed"),))
    # 10 February 09:00 + 180 x 24 h is 8 August 09:00.
    assert told(result, notices=True)[1:] == [
        ("suspension_notice", "S6", local("2016-07-09 09:00")),
        ("suspension_notice", "S6", local("2016-08-01 09:00")),
        ("suspension_notice", "S6", local("2016-08-07 09:00")),
        ("account_suspended", "S1", local("2016-08-08 09:00")),
    ]


def test_at_one_instant_the_order_comes_before_the_request_and_requests_by_id() -> None:
    at = local("2016-08-10")
    result = play(ENROLLED, activation(at), order(at))
    assert told(result)[2:4] == [("account_restored", "S2", at), ("activation_refused", "S3", at)]
    result = play(ENROLLED, activation(at, request="q2"), activation(at, request="q1"))
    assert [(one.request_id, one.kind) for one in result.decisions if one.request_id] == [
        ("q1", "activation_granted"), ("q2", "activation_refused"),
    ]  # fmt: skip


def test_of_two_orders_at_one_instant_the_smaller_id_in_code_points_restores() -> None:
    at = local("2016-08-10")
    result = play(ENROLLED, order(at, order_id="o2"), order(at, order_id="O3"), watermark=at)
    assert only(result, "account_restored").order_id == "O3"


APIA = ZoneInfo("Pacific/Apia")


@pytest.mark.parametrize(
    ("day_count", "joined", "days", "notices", "suspended"),
    [
        # Apia has no 30 December 2011. A day before 00:00 of the 31st is the 30th, whose midnight is the deadline.
        ("calendar", "2011-12-26 12:00", 4, [("2011-12-28", 3), ("2011-12-29", 2)], "2011-12-31"),
        ("calendar", "2011-12-26 12:00", 3, [("2011-12-28", 3), ("2011-12-29", 2)], "2011-12-31"),
        ("calendar", "2011-12-29 12:00", 1, [], "2011-12-31"),
        ("calendar", "2011-12-29 12:00", 2, [("2011-12-31", 2), ("2011-12-31", 1)], "2012-01-01"),
        ("calendar", "2011-12-31", 1, [("2012-01-01", 1)], "2012-01-02"),
        ("elapsed", "2011-12-29 12:00", 2, [("2011-12-31 12:00", 1)], "2012-01-01 12:00"),
        ("elapsed", "2011-12-27", 4, [("2011-12-28", 3), ("2011-12-29", 2), ("2011-12-31", 1)], "2012-01-01"),
    ],
)
def test_s6_where_a_zone_leaves_out_a_day_a_notice_comes_after_the_start_and_before_the_deadline(
    day_count: str, joined: str, days: int, notices: list[tuple[str, int]], suspended: str
) -> None:
    zone = {"time_zone": "Pacific/Apia", "day_count": day_count, "effective_from": "2011-12-01T00:00:00+00:00"}
    in_apia = policy(**zone, inactivity_days=days, inactivity_notices=(3, 2, 1))
    decisions = play(enrolled(local(joined, APIA)), policies=(in_apia,)).decisions
    assert [(one.effective_at, one.days_left) for one in decisions[1:-1]] == [
        (local(at, APIA), left) for at, left in notices
    ]
    assert (decisions[-1].kind, decisions[-1].effective_at) == ("account_suspended", local(suspended, APIA))
