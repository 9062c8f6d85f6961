"""The letters of the exhaustion: every kind of fact, at the instants where it is one microsecond that decides.

Two accounts of one company, periods of a day or two, clocks that change within them, and a second policy. The
dates are New York's; 13 March 2016 has 23 hours there.
"""

from zoneinfo import ZoneInfo

from tests.model.story import activation, case, closed, enrolled, local, order, reapplication
from tests.properties.strategies import policy_text, world_of
from tests.support.rules_engine import Message
from workers.rules.calendar import Instant

ZONE = ZoneInfo("America/New_York")


def at(text: str) -> Instant:
    """An instant by New York's clocks."""
    return local(text, ZONE)


CALENDAR = policy_text("calendar", "2016-03-10T00:00:00-05:00", ZONE.key, "calendar", (2, 1, 1, 1), [1], [1], 2, 1)
ELAPSED = policy_text("elapsed", "2016-03-15T00:00:00-04:00", ZONE.key, "elapsed", (1, 1, 1, 1), [], [], 2, 1)
WORLD = world_of(CALENDAR, ELAPSED)

JOINED = at("2016-03-10 12:00")
NOTICE = at("2016-03-12")
"""A day before an account that enrolled or sold on the 10th is suspended."""
SUSPENDED = at("2016-03-13")
EXPIRED = at("2016-03-15")
"""The end of an activation asked for on the 13th, which has 23 hours: the 14th is its one day."""
UNLOCKED = at("2016-03-16")
"""The end of the lock-out after it: the second policy, in force from the expiry on, counts 24 hours."""
UPHELD = at("2016-03-11 12:00")
REAPPLY = at("2016-03-13")
"""The end of a termination of the 11th; that of the suspension above, too."""

LETTERS: dict[str, Message] = {
    "a enrols before the policies": enrolled(at("2016-03-09 12:00"), "a", "c", "e0"),
    "a enrols": enrolled(JOINED, "a", "c", "e1"),
    "a moves to d as a case is upheld": enrolled(UPHELD, "a", "d", "e2"),
    "a is closed": closed(at("2016-03-12 12:00"), "a", "e3"),
    "a enrols again": enrolled(REAPPLY - 1, "a", "c", "e4"),
    "b enrols": enrolled(JOINED, "b", "c", "e1"),
    "b enrols just before the end of the termination": enrolled(REAPPLY - 1, "b", "c", "e2"),
    "b enrols at the end of the termination": enrolled(REAPPLY, "b", "c", "e3"),
    "a sells on its first day": order(JOINED + 1, "a", "o1"),
    "a sells just before the notice": order(NOTICE - 1, "a", "o2"),
    "a sells at the notice": order(NOTICE, "a", "o3"),
    "a sells just before the suspension": order(SUSPENDED - 1, "a", "o4"),
    "a sells at the suspension": order(SUSPENDED, "a", "o5"),
    "a sells just before the expiry": order(EXPIRED - 1, "a", "o6"),
    "a sells at the expiry": order(EXPIRED, "a", "o7"),
    "b sells as the case is upheld": order(UPHELD, "b", "o8"),
    "a asks just before the suspension": activation(SUSPENDED - 1, "a", "q1"),
    "a asks at the suspension": activation(SUSPENDED, "a", "q2"),
    "a asks just before the expiry": activation(EXPIRED - 1, "a", "q7"),
    "a asks at the expiry": activation(EXPIRED, "a", "q3"),
    "a asks at the end of the lock-out": activation(UNLOCKED, "a", "q4"),
    "a re-applies just before the end of the termination": reapplication(REAPPLY - 1, "a", "q5"),
    "a re-applies at the end of the termination": reapplication(REAPPLY, "a", "q6"),
    "k1 of a is opened": case(UPHELD - 1, "opened", "a", "k1", event_id="k0"),
    "k1 of a is upheld": case(UPHELD, "upheld", "a", "k1", event_id="k1"),
    "k1 of a is dismissed": case(REAPPLY - 1, "dismissed", "a", "k1", event_id="k3"),
    "k1 of a is withdrawn at once": case(UPHELD, "withdrawn", "a", "k1", event_id="k2"),
    "k1 of a turns out exempt": case(REAPPLY, "upheld", "a", "k1", event_id="k4", cause="onetouch_unable"),
    "an inspection of b is upheld": case(UPHELD, account="b", event_id="k1", source="platform_inspection"),
    "k2 of a counts": case(at("2016-03-10 12:00"), account="a", case_id="k2", event_id="k5", category="late"),
    "k3 of a is the second within a day": case(NOTICE - 1, account="a", case_id="k3", event_id="k6", category="late"),
    "k4 of a comes when k2 counts no more": case(NOTICE, account="a", case_id="k4", event_id="k7", category="late"),
    "k2 of a is reversed": case(UPHELD + 1, "reversed", "a", "k2", event_id="k8"),
}


MANY_ORDERS = ("order", "order", "order", "order", "activation", "case", "closed", "enrolled")
