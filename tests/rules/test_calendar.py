"""Time: periods as Chinese civil law counts them, and the corners of time zones. Dates worked out by hand."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.rules.story import at, policy, wall
from workers.rules.calendar import DAY, SECOND, local_ordinal, midnight, period_end, written

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_the_day_of_the_event_does_not_count_and_the_last_day_counts_whole() -> None:
    # 15 days after 1 March: 2 March is the 1st, 16 March the 15th, which ends at 00:00 of the 17th.
    assert wall(period_end(at("2016-03-01 10:00"), 15, SHANGHAI, "calendar")) == "2016-03-17 00:00"


def test_an_event_at_midnight_belongs_to_the_day_that_begins() -> None:
    assert wall(period_end(at("2016-03-01 00:00"), 15, SHANGHAI, "calendar")) == "2016-03-17 00:00"


def test_an_event_a_microsecond_before_midnight_belongs_to_the_day_that_ends() -> None:
    assert wall(period_end(at("2016-02-29 23:59:59.999999"), 15, SHANGHAI, "calendar")) == "2016-03-16 00:00"


def test_180_days_over_a_leap_day() -> None:
    # 1 February + 180 days: February has 28 left, March 31, April 30, May 31, June 30 = 150, July 30 → 30 July.
    assert wall(period_end(at("2016-02-01 09:00"), 180, SHANGHAI, "calendar")) == "2016-07-31 00:00"


def test_elapsed_days_are_24_hours_each() -> None:
    start = at("2016-03-01 10:00")
    assert period_end(start, 15, SHANGHAI, "elapsed") == start + 15 * DAY


def test_a_notice_falls_at_midnight_of_its_day() -> None:
    deadline, notices = policy(inactivity_days=180).inactivity(at("2016-02-01 09:00"))
    assert wall(deadline) == "2016-07-31 00:00"
    assert [(wall(when), left) for when, left in notices] == [
        ("2016-07-01 00:00", 30),
        ("2016-07-24 00:00", 7),
        ("2016-07-30 00:00", 1),
    ]


def test_an_elapsed_notice_falls_whole_days_before() -> None:
    start = at("2016-02-01 09:00")
    deadline, notices = policy(day_count="elapsed").inactivity(start)
    assert deadline == start + 180 * DAY
    assert [(deadline - when, left) for when, left in notices] == [(30 * DAY, 30), (7 * DAY, 7), (DAY, 1)]


def test_a_midnight_that_daylight_saving_leaves_out_moves_forward_to_the_first_instant() -> None:
    # Sao Paulo, 16 October 2016: 00:00 became 01:00 (UTC-3 to UTC-2), at 03:00 UTC.
    assert (
        written(midnight(date(2016, 10, 16).toordinal(), ZoneInfo("America/Sao_Paulo")))
        == "2016-10-16T03:00:00.000000Z"
    )


def test_a_midnight_that_occurs_twice_is_the_first() -> None:
    # Havana, 6 November 2016: 01:00 became 00:00 again; the first midnight is still UTC-4.
    assert (
        written(midnight(date(2016, 11, 6).toordinal(), ZoneInfo("America/Havana"))) == "2016-11-06T04:00:00.000000Z"
    )


def test_a_day_that_a_zone_left_out_has_the_next_days_midnight() -> None:
    # Samoa had no 30 December 2011: at 24:00 of the 29th (10:00 UTC of the 30th) it became the 31st.
    apia = ZoneInfo("Pacific/Apia")
    assert midnight(date(2011, 12, 30).toordinal(), apia) == midnight(date(2011, 12, 31).toordinal(), apia)
    assert written(midnight(date(2011, 12, 31).toordinal(), apia)) == "2011-12-30T10:00:00.000000Z"


def test_a_gap_that_begins_before_midnight_moves_it_to_the_gaps_end() -> None:
    # Scoresbysund, 31 March 2024: the clocks were put forward shortly before midnight.
    zone = ZoneInfo("America/Scoresbysund")
    first = midnight(date(2024, 3, 31).toordinal(), zone)
    assert wall(first, zone) >= "2024-03-31 00:00"
    assert wall(first - 1, zone) < "2024-03-31 00:00"


@pytest.mark.parametrize("name", ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
def test_a_midnight_is_the_first_instant_of_its_day_in_every_zone(name: str) -> None:
    zone = ZoneInfo(name)
    for ordinal in range(date(2011, 1, 1).toordinal(), date(2012, 6, 1).toordinal()):
        day = date.fromordinal(ordinal)
        first = midnight(ordinal, zone)
        assert wall(first, zone)[:10] >= day.isoformat()
        assert wall(first - 1, zone)[:10] < day.isoformat()


@pytest.mark.parametrize("name", ["Asia/Shanghai", "America/St_Johns", "America/Havana", "Pacific/Apia"])
def test_the_day_of_an_instant_is_what_the_clocks_of_its_zone_show(name: str) -> None:
    """In St John's they were set back at 00:01, so that the end of the day before came again (until 2011)."""
    zone = ZoneInfo(name)
    for second in range(at("2010-10-31 00:00") // SECOND, at("2012-01-02 00:00") // SECOND, 599):
        assert local_ordinal(second * SECOND, zone) == datetime.fromtimestamp(second, zone).toordinal()
