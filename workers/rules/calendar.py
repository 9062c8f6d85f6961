"""How the rulebook counts time: civil days in a policy's zone, or elapsed 24-hour days.

Owns every calendar computation of the project; nothing else adds days to an instant. An `Instant` is an
integer number of microseconds since 1970-01-01T00:00:00Z, so instants are compared exactly.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND: Instant = 1_000_000
DAY: Instant = 24 * 3600 * SECOND

_BUCKET: Instant = 900 * SECOND
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
    """`at` as every message writes it: UTC with microseconds, ``2016-08-01T16:00:00.000000Z``."""
    return f"{moment(at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


@lru_cache(maxsize=100_000)
def midnight(ordinal: int, zone: ZoneInfo) -> Instant:
    """The first instant of a day, given as a proleptic Gregorian ordinal, in `zone`.

    A midnight that daylight saving leaves out moves forward to the first instant that exists; one that
    occurs twice is the first of the two; a day that a zone left out has the next day's midnight.
    """
    wall = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
    earlier, later = sorted(
        instant(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)
    )  # equal but where the clocks change: a gap puts fold=1 first, a repetition fold=0
    if _wall(earlier, zone) == wall:
        return earlier
    while later - earlier > 1:  # a gap: the change of the clocks lies after `earlier`, at or before `later`
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
    """The local day at the start of a quarter of an hour, and when that day ends; kept, for days repeat."""
    ordinal = datetime.fromtimestamp(bucket * _BUCKET // SECOND, zone).toordinal()
    return ordinal, midnight(ordinal + 1, zone)


def period_end(start: Instant, days: int, zone: ZoneInfo, day_count: str) -> Instant:
    """The end of a period of `days` that began at `start`; a fact at exactly the end is outside it.

    "calendar": the day of the event does not count and the period ends at 24:00 of its last day (the
    General Principles of Civil Law count so). "elapsed": `days` times 24 hours after `start`.
    """
    if day_count == "elapsed":
        return start + days * DAY
    return midnight(local_ordinal(start, zone) + days + 1, zone)
