"""The model's calendar against dates worked out by hand."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from tests.model.calendar import midnight, notice_instant, parse_instant, period_end, write_instant
from tests.model.story import SHANGHAI, local

# Seconds between the epoch and 2016-01-01T00:00Z: 46 years, 11 of them leap years (1972 ... 2012):
# 46 x 365 + 11 = 16 801 days, x 86 400 = 1 451 606 400 s.
NEW_YEAR_2016 = 1_451_606_400_000_000


def test_an_instant_is_counted_in_microseconds_since_the_epoch() -> None:
    assert parse_instant("1970-01-01T00:00:00Z") == 0
    assert parse_instant("2016-01-01T00:00:00Z") == NEW_YEAR_2016
    assert parse_instant("2016-01-01T08:00:00.000001+08:00") == NEW_YEAR_2016 + 1


def test_digits_beyond_the_microsecond_are_cut_off() -> None:
    assert parse_instant("2016-01-01T00:00:00.9999999Z") == NEW_YEAR_2016 + 999_999
    assert parse_instant("1969-12-31T23:59:59.9999999Z") == -1


def test_an_instant_is_written_in_utc_with_microseconds() -> None:
    assert write_instant(NEW_YEAR_2016) == "2016-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "text", ["2016-01-01", "2016-01-01T00:00:00", "2016-02-30T00:00:00Z", "2016-01-01T24:00:00Z"]
)
def test_a_time_without_offset_or_outside_the_calendar_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"offset|day|hour"):
        parse_instant(text)


def test_the_day_of_the_event_does_not_count_and_the_last_day_counts_whole() -> None:
    # 10 February + 180 days: 29 February is day 19, then 50, 80, 111, 141, 172 at the ends of March to July:
    # 8 August is day 180, over at 00:00 of 9 August.
    for start in ("2016-02-10 00:00", "2016-02-10 09:00", "2016-02-10 23:59:59.999999"):
        assert period_end(local(start), 180, SHANGHAI, "calendar") == local("2016-08-09")
    assert period_end(local("2016-02-11 00:00"), 180, SHANGHAI, "calendar") == local("2016-08-10")


def test_elapsed_days_are_24_hours_each() -> None:
    assert period_end(local("2016-02-10 09:00"), 15, SHANGHAI, "elapsed") == local("2016-02-25 09:00")


def test_a_notice_falls_at_the_midnight_that_many_days_before_the_deadline() -> None:
    assert notice_instant(local("2016-08-09"), 30, SHANGHAI, "calendar") == local("2016-07-10")
    assert notice_instant(local("2016-08-09 10:00"), 1, SHANGHAI, "elapsed") == local("2016-08-08 10:00")


def test_a_day_of_23_hours_is_one_day_of_the_calendar_and_not_of_elapsed_time() -> None:
    # Berlin, 27 March 2016: 02:00 becomes 03:00. 26 March 12:00 is 11:00Z.
    berlin = ZoneInfo("Europe/Berlin")
    start = parse_instant("2016-03-26T11:00:00Z")
    assert period_end(start, 1, berlin, "calendar") == parse_instant("2016-03-27T22:00:00Z")
    assert period_end(start, 1, berlin, "elapsed") == parse_instant("2016-03-27T11:00:00Z")


def test_a_midnight_that_does_not_exist_is_the_first_instant_that_does() -> None:
    # Sao Paulo, 16 October 2016: 00:00 (-03) becomes 01:00 (-02), at 03:00Z.
    assert midnight(date(2016, 10, 16), ZoneInfo("America/Sao_Paulo")) == parse_instant("2016-10-16T03:00:00Z")
    # Toronto, 30 March 1919: 23:30 (-05) becomes 00:30 (-04) of the 31st, at 04:30Z of the 31st.
    assert midnight(date(1919, 3, 31), ZoneInfo("America/Toronto")) == parse_instant("1919-03-31T04:30:00Z")


def test_a_midnight_that_occurs_twice_is_the_first() -> None:
    # Havana, 6 November 2016: 01:00 (-04) becomes 00:00 (-05) again; the first 00:00 is 04:00Z.
    assert midnight(date(2016, 11, 6), ZoneInfo("America/Havana")) == parse_instant("2016-11-06T04:00:00Z")


def test_a_day_that_the_zone_leaves_out_has_the_next_days_midnight() -> None:
    # Apia went from 29 December 2011 (-10) to 31 December (+14): both midnights are 10:00Z of the 30th.
    apia = ZoneInfo("Pacific/Apia")
    for day in (30, 31):
        assert midnight(date(2011, 12, day), apia) == parse_instant("2011-12-30T10:00:00Z")
    assert midnight(date(2011, 12, 29), apia) == parse_instant("2011-12-29T10:00:00Z")
