"""How the fetches of one partition fail: by which error, since when, and when the next try is due.

Owns the pauses between tries, and which errors pass by themselves. Instants are seconds of one steady clock.
"""

from dataclasses import dataclass

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0
PASSING_SECONDS = 5.0
"""How long an error that comes with a change of leaders may last before an operator is told."""
PASSING = frozenset(
    {
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_OR_FOLLOWER",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "REPLICA_NOT_AVAILABLE",
        "FENCED_LEADER_EPOCH",
        "UNKNOWN_LEADER_EPOCH",
        "OFFSET_NOT_AVAILABLE",
        "REQUEST_TIMED_OUT",
    }
)
"""Kafka's names of these errors."""


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A row of failed fetches, none of which succeeded since."""

    name: str
    """Kafka's name of the last error."""
    since: float
    failures: int
    retry_at: float
    is_lasting: bool
    """Whether an operator must look: the error does not pass by itself, or did not for long."""

    @classmethod
    def first(cls, name: str, now: float) -> "FetchFailure":
        """The first failure of a row."""
        return cls(name, now, 1, now + FIRST_SECONDS, name not in PASSING)

    def again(self, name: str, now: float) -> "FetchFailure":
        """The next failure of the row; the pauses double up to LONGEST_SECONDS."""
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures, 16))
        lasting = name not in PASSING or now - self.since >= PASSING_SECONDS
        return FetchFailure(name, self.since, self.failures + 1, now + pause, lasting)
