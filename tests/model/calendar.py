"""The model's time: instants as microseconds since the epoch, days and midnights of a zone, ends of periods, notices.

It knows nothing of policies or accounts and shares no code with the engine.
A midnight here is the first instant whose local clock shows that midnight or, where the zone leaves it out, later.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

Instant = int

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = 24 * 60 * 60 * 1_000_000

RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)


def instant_of(moment: datetime) -> Instant:
    """The microseconds since the epoch of a datetime with a zone."""
    return (moment - EPOCH) // MICROSECOND


def datetime_of(instant: Instant) -> datetime:
    """The datetime in UTC of an instant."""
    return EPOCH + timedelta(microseconds=instant)


def parse_instant(text: str) -> Instant:
    """Reads RFC 3339 with an offset; digits beyond the microsecond are cut off. ValueError where it is none."""
    match = RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"no RFC 3339 time with an offset: {text!r}")
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = match.groups()
    offset = timedelta()
    if zulu is None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise ValueError(f"no such offset: {text!r}")
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        if sign == "-":
            offset = -offset
    microsecond = int(((fraction or "") + "000000")[:6])
    moment = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second), microsecond, tzinfo=timezone(offset)
    )
    return instant_of(moment)


def write_instant(instant: Instant) -> str:
    """The instant in UTC with microseconds and `Z`."""
    return datetime_of(instant).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def local_date(instant: Instant, zone: ZoneInfo) -> date:
    """The day that a calendar in the zone shows at the instant."""
    return datetime_of(instant).astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> Instant:
    """00:00 of the day; the first of two; the first instant after it where the zone's clocks jump over it."""
    wanted = datetime.combine(day, time())
    earlier = instant_of(wanted.replace(tzinfo=zone, fold=0))
    if datetime_of(earlier).astimezone(zone).replace(tzinfo=None) == wanted:
        return earlier
    # The clocks jump over this midnight. Read with the offset after the jump it lies at or before the jump, with the
    # offset before the jump at or after it. Between the two, look for the first instant that shows midnight or later.
    before = instant_of(wanted.replace(tzinfo=zone, fold=1)) - 1
    after = earlier
    while after - before > 1:
        middle = (before + after) // 2
        if datetime_of(middle).astimezone(zone).replace(tzinfo=None) >= wanted:
            after = middle
        else:
            before = middle
    return after


def period_end(start: Instant, days: int, zone: ZoneInfo, day_count: str) -> Instant:
    """The first instant outside a period of so many days: the day of the start does not count."""
    if day_count == "elapsed":
        return start + days * DAY
    return midnight(local_date(start, zone) + timedelta(days=days + 1), zone)


def notice_instant(deadline: Instant, days: int, zone: ZoneInfo, day_count: str) -> Instant:
    """The instant of a notice so many days before the deadline (whether the period had begun then is not asked)."""
    if day_count == "elapsed":
        return deadline - days * DAY
    return midnight(local_date(deadline, zone) - timedelta(days=days), zone)
