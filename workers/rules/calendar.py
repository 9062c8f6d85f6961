"""How periods are counted: in civil days of a policy's time zone, or in elapsed days of 24 hours.

Every calendar computation of the project is here; nothing else adds days to an instant.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z, an integer: instants are compared exactly."""

SECOND: Instant = 1_000_000
DAY: Instant = 24 * 3600 * SECOND

_BUCKET: Instant = DAY // 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(moment: datetime) -> Instant:
    """The instant of an aware `moment`, exact to the microsecond."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: Instant) -> datetime:
    """The same instant as an aware datetime in UTC."""
    return _EPOCH + at * _MICROSECOND


@lru_cache(maxsize=10_000)
def written(at: Instant) -> str:
    """`at` as the text of every message: UTC with microseconds, ``2016-08-01T16:00:00.000000Z``."""
    return f"{moment(at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


@lru_cache(maxsize=100_000)
def latest_of(one: Instant | None, other: Instant | None) -> Instant | None:
    """The later of two instants; None if both are missing."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def midnight(ordinal: int, zone: ZoneInfo) -> Instant:
    """The first instant in `zone` of a day, given as a proleptic Gregorian ordinal.

    A midnight that daylight saving skips is the first instant after the gap. Of a midnight that occurs twice it is
    the first. A day that the zone skips has the midnight of the next day.
    """
    wall = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
    earlier, later = sorted(
        instant(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)
    )  # they differ only where the clocks change: fold=1 is earlier in a gap, fold=0 in a repetition
    if _wall(earlier, zone) == wall:
        return earlier
    while later - earlier > 1:  # a gap: the clocks change after `earlier`, at or before `later`
        middle = (earlier + later) // 2
        if _wall(middle, zone) < wall:
            earlier = middle
        else:
            later = middle
    return later


def _wall(at: Instant, zone: ZoneInfo) -> datetime:
    return moment(at).astimezone(zone).replace(tzinfo=None)


def local_ordinal(at: Instant, zone: ZoneInfo) -> int:
    """The local calendar day of `at` in `zone`, as a proleptic Gregorian ordinal."""
    ordinal, end = _day_at(at // _BUCKET, zone)
    return ordinal if at < end else datetime.fromtimestamp(at // SECOND, zone).toordinal()


@lru_cache(maxsize=100_000)
def _day_at(bucket: int, zone: ZoneInfo) -> tuple[int, Instant]:
    """The local day at the start of a third of a day, and the end of that day. Cached, for days repeat."""
    ordinal = datetime.fromtimestamp(bucket * _BUCKET // SECOND, zone).toordinal()
    return ordinal, midnight(ordinal + 1, zone)


def period_end(start: Instant, days: int, zone: ZoneInfo, day_count: str) -> Instant:
    """The end of a period of `days` that starts at `start`; a fact at exactly the end is outside the period.

    "calendar": the day of the event does not count, and the period ends at 24:00 of its last day, as in the General
    Principles of Civil Law. "elapsed": `days` times 24 hours after `start`.
    """
    if day_count == "elapsed":
        return start + days * DAY
    return midnight(local_ordinal(start, zone) + days + 1, zone)
