"""The topic settings that the engine's promises depend on: one table, to create topics and to check them.

Pure; `workers.kafka.admin` asks the brokers. The effective setting counts, whether it is the topic's or the broker's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

BATCH_BYTES = 1_048_588
"""Kafka's default limit; the relay sends batches of up to a million bytes."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A required setting; `refused` if another value breaks a promise, otherwise it is only a warning."""

    setting: str
    value: str
    why: str
    at_least: bool = False
    refused: bool = True

    def fits(self, found: str) -> bool:
        """Whether the effective value is acceptable."""
        return int(found) >= int(self.value) if self.at_least else found == self.value

    @property
    def text(self) -> str:
        """The required value, for messages."""
        return f"{self.value} or more" if self.at_least else self.value


_NO_UNCLEAN = Needed("unclean.leader.election.enable", "false", "an unclean election loses acknowledged records")
_BATCHES = Needed(
    "max.message.bytes",
    str(BATCH_BYTES),
    "the relay sends batches of up to a million bytes",
    at_least=True,
)


def _for_ever(why: str) -> tuple[Needed, ...]:
    return (
        Needed("cleanup.policy", "delete", why),
        Needed("retention.ms", "-1", why),
        Needed("retention.bytes", "-1", why),
        _NO_UNCLEAN,
    )


def of_inputs(max_record_bytes: int) -> tuple[Needed, ...]:
    """The settings of an input topic."""
    sendable = Needed(
        "max.message.bytes",
        str(max(BATCH_BYTES, max_record_bytes)),
        "producers send records of up to STANDING_MAX_RECORD_BYTES",
        at_least=True,
        refused=False,
    )
    return (*_for_ever("the database can be rebuilt only while the topic holds every fact"), sendable)


KEPT = (*_for_ever("subscribers and a rebuild read every decision from the start"), _BATCHES)
"""The settings of an output topic that keeps all records."""
COMPACTED = (
    Needed("cleanup.policy", "compact", "the topic must keep the newest record of each key for ever"),
    _NO_UNCLEAN,
    _BATCHES,
)
"""The settings of an output topic that keeps the newest record of each key."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Lines about settings that differ: those that break a promise, and warnings."""

    broken: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def compare(
    topic: str, needed: Sequence[Needed], found: Mapping[str, str], replicas: int, brokers: int
) -> Iterator[tuple[bool, str]]:
    """Yield the differences of one topic: whether each is refused, and a line."""
    for each in needed:
        value = found[each.setting]
        if not each.fits(value):
            line = f"topic {topic} has {each.setting}={value}, not {each.text}: {each.why}"
            yield each.refused, f"{line}; {_change(topic, each.setting, each.value)}"
    in_sync = int(found["min.insync.replicas"])
    copies = f"topic {topic} has replicas={replicas} and min.insync.replicas={in_sync}"
    if in_sync > replicas:
        yield True, f"{copies}: nothing can be written to it; {_change(topic, 'min.insync.replicas', str(replicas))}"
    elif brokers > 1 and min(replicas, in_sync) < 2:
        yield False, f"{copies}, not 3 and 2: the loss of a broker may lose acknowledged records"


def _change(topic: str, setting: str, value: str) -> str:
    """The command that corrects the setting."""
    what = f"--entity-type topics --entity-name {topic} --add-config {setting}={value}"
    return f"kafka-configs.sh --bootstrap-server ... --alter {what}"
