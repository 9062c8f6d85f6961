"""The settings of Kafka's topics on which a promise rests: one table, from which topics are made and checked.

Owns what is needed and why. Pure: what the brokers have is asked by `workers.kafka.admin`. A setting that a topic has
not itself is the broker's; what counts is what is in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

BATCH_BYTES = 1_048_588
"""What Kafka allows by default; the relay sends batches of up to a million bytes."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What a setting must be; `refused` where anything else breaks a promise, else it is the operator's right."""

    setting: str
    value: str
    why: str
    at_least: bool = False
    refused: bool = True

    def fits(self, found: str) -> bool:
        """Whether the value in force will do."""
        return int(found) >= int(self.value) if self.at_least else found == self.value

    @property
    def text(self) -> str:
        """As an operator is told of it."""
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
    """What an input topic needs."""
    sendable = Needed(
        "max.message.bytes",
        str(max(BATCH_BYTES, max_record_bytes)),
        "producers send records of up to STANDING_MAX_RECORD_BYTES",
        at_least=True,
        refused=False,
    )
    return (*_for_ever("the database can be rebuilt only while the topic holds every fact"), sendable)


KEPT = (*_for_ever("subscribers and a rebuild read every decision from the start"), _BATCHES)
"""What an output topic needs that is kept from its beginning."""
COMPACTED = (
    Needed("cleanup.policy", "compact", "the topic must keep the newest record of each key for ever"),
    _NO_UNCLEAN,
    _BATCHES,
)
"""What an output topic needs of which the newest record of each key counts."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is not as it is needed, a line each: what breaks a promise, and what is the operator's right."""

    broken: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def compare(
    topic: str, needed: Sequence[Needed], found: Mapping[str, str], replicas: int, brokers: int
) -> Iterator[tuple[bool, str]]:
    """What is not as it is needed of one topic: whether that is refused, and a line."""
    for each in needed:
        value = found[each.setting]
        if not each.fits(value):
            said = f"topic {topic} has {each.setting}={value}, not {each.text}: {each.why}"
            yield each.refused, f"{said}; {_change(topic, each.setting, each.value)}"
    in_sync = int(found["min.insync.replicas"])
    copies = f"topic {topic} has replicas={replicas} and min.insync.replicas={in_sync}"
    if in_sync > replicas:
        yield True, f"{copies}: nothing can be written to it; {_change(topic, 'min.insync.replicas', str(replicas))}"
    elif brokers > 1 and min(replicas, in_sync) < 2:
        yield False, f"{copies}, not 3 and 2: a broker that is lost may take with it what was acknowledged"


def _change(topic: str, setting: str, value: str) -> str:
    """What an operator does about it."""
    what = f"--entity-type topics --entity-name {topic} --add-config {setting}={value}"
    return f"kafka-configs.sh --bootstrap-server ... --alter {what}"
