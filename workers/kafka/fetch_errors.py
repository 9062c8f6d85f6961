"""Partitions whose fetches fail: by which of Kafka's errors, since when, and when to try again.

Owns the names and the pauses between tries; who fetches is the intake. The invariant: a partition that fails is not
fetched from more often than its pauses say, and is shown as halted unless the error is one that passes by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import for_code

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0
PASSING_SECONDS = 5.0
"""How long an error that comes with a change of leaders may last before the partition is shown as halted."""

OFFSET_OUT_OF_RANGE = "OFFSET_OUT_OF_RANGE"
CORRUPT_MESSAGE = "CORRUPT_MESSAGE"
LEADER_NOT_AVAILABLE = "LEADER_NOT_AVAILABLE"
UNKNOWN_TOPIC_ID = "UNKNOWN_TOPIC_ID"
_NAMES = {
    -1: "UNKNOWN_SERVER_ERROR",
    6: "NOT_LEADER_OR_FOLLOWER",
    70: "FETCH_SESSION_ID_NOT_FOUND",
    71: "INVALID_FETCH_SESSION_EPOCH",
    74: "FENCED_LEADER_EPOCH",
    75: "UNKNOWN_LEADER_EPOCH",
    76: "UNSUPPORTED_COMPRESSION_TYPE",
    78: "OFFSET_NOT_AVAILABLE",
    100: UNKNOWN_TOPIC_ID,
    103: "INCONSISTENT_TOPIC_ID",
    106: "FETCH_SESSION_TOPIC_ID_ERROR",
}
"""Kafka's names where aiokafka has none or an older one."""
_PASSING = frozenset(
    {
        LEADER_NOT_AVAILABLE,
        "NOT_LEADER_OR_FOLLOWER",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "REPLICA_NOT_AVAILABLE",
        "FENCED_LEADER_EPOCH",
        "UNKNOWN_LEADER_EPOCH",
        "OFFSET_NOT_AVAILABLE",
        "REQUEST_TIMED_OUT",
    }
)


def error_name(code: int) -> str:
    """Kafka's name of an error."""
    found = _NAMES.get(code)
    return found or (str(for_code(code).message) if for_code(code).errno == code else f"ERROR_{code}")


@dataclass(slots=True)
class Failing:
    """One partition that cannot be fetched from."""

    name: str
    since: float
    failures: int
    again_at: float | None
    """When it is to be tried again; None while it is."""
    halted: bool = False


class FetchErrors:
    """The partitions of one consumer that fail; instants are those of the event loop."""

    def __init__(self) -> None:
        self._failing: dict[TopicPartition, Failing] = {}

    def __contains__(self, place: TopicPartition) -> bool:
        return place in self._failing

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(list(self._failing))

    def failed(self, place: TopicPartition, name: str, now: float) -> bool:
        """A fetch failed; True where the partition has to be shown as halted from now on, or by another name."""
        known = self._failing.get(place)
        failures = 1 if known is None else known.failures + 1
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
        since = now if known is None else known.since
        halted = name not in _PASSING or now - since >= PASSING_SECONDS
        self._failing[place] = Failing(name, since, failures, now + pause, halted)
        return halted and (known is None or not known.halted or known.name != name)

    def went_well(self, place: TopicPartition) -> bool:
        """A fetch did not fail; True where the partition was shown as halted."""
        known = self._failing.pop(place, None)
        return known is not None and known.halted

    def forget(self, place: TopicPartition) -> None:
        """It is another's now, or is tried from the beginning."""
        self._failing.pop(place, None)

    def resting(self, place: TopicPartition) -> bool:
        """Whether it must not be fetched from now."""
        known = self._failing.get(place)
        return known is not None and known.again_at is not None

    def due(self, now: float) -> list[TopicPartition]:
        """Those to be tried again."""
        return [place for place, each in self._failing.items() if each.again_at is not None and each.again_at <= now]

    def trying(self, place: TopicPartition) -> None:
        """It is fetched from again."""
        if place in self._failing:
            self._failing[place].again_at = None

    @property
    def halted(self) -> Mapping[TopicPartition, Failing]:
        """Those to be shown as halted."""
        return {place: each for place, each in self._failing.items() if each.halted}
