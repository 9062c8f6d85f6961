"""Partitions that cannot be read on, and what an operator is told of them: log, readiness and metrics.

Owns why each of them rests: for good, until it is claimed again, or until a fetch that is tried again goes well. The
invariant: nothing is halted without a line in the log, and what is shown as halted is not fetched from.
"""

from collections.abc import Callable, Iterable, Mapping

from aiokafka import TopicPartition

from workers.kafka.fetch_errors import FetchErrors
from workers.kafka.handling import Partition
from workers.ops import metrics as names
from workers.ops.health import Vitals
from workers.ops.logs import Log

log = Log()

ANEW = "the topic was deleted and recreated: the stored position is that of the old one"
GONE = "its stored position is not in the topic: retention passed it, or the topic was recreated"


class Halts:
    """The partitions of one intake that are halted, or fail and are tried again."""

    def __init__(self, vitals: Vitals, named: Callable[[TopicPartition], Partition]) -> None:
        self._vitals = vitals
        self._named = named
        self._for_good: dict[TopicPartition, str] = {}
        self._failing = FetchErrors()
        self._shown: set[str] = set()

    def __contains__(self, place: TopicPartition) -> bool:
        return place in self._for_good or place in self._failing

    def rests(self, place: TopicPartition) -> bool:
        """Whether it must not be fetched from now."""
        return place in self._for_good or self._failing.resting(place)

    def halt(self, place: TopicPartition, offset: int, name: str, why: str) -> None:
        """It cannot be read on until it is claimed again; it is never skipped or reset without a word."""
        if place not in self._for_good:
            self._say(place, offset, name, why)
        self._for_good[place] = name
        self._show()

    def failed(self, place: TopicPartition, offset: int, name: str, why: str, now: float) -> None:
        """A fetch failed; it is tried again after a pause."""
        topic, partition = self._named(place)
        self._vitals.metrics.count(names.FETCH_ERRORS, topic=topic, partition=str(partition), error=name)
        if self._failing.failed(place, name, now):
            self._say(place, offset, name, why)
            self._show()

    def went_well(self, place: TopicPartition) -> None:
        """A fetch did not fail."""
        if place in self._failing and self._failing.went_well(place):
            log.info("partition goes on", topic=place.topic, partition=place.partition)
            self._show()

    def due(self, now: float) -> list[TopicPartition]:
        """Those to be tried again now, which `trying` says they are."""
        return self._failing.due(now)

    def trying(self, place: TopicPartition) -> None:
        """It is fetched from again."""
        self._failing.trying(place)

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """These are tried from the beginning, by this worker or another."""
        for place in places:
            self._for_good.pop(place, None)
            self._failing.forget(place)
        self._show()

    def clear(self) -> None:
        """Forget all."""
        self.forget([*self._for_good, *self._failing])

    def names(self) -> Mapping[Partition, str]:
        """The partitions shown as halted, and Kafka's name for why."""
        found = {place: each.name for place, each in self._failing.halted.items()} | self._for_good
        return {self._named(place): name for place, name in found.items()}

    def _say(self, place: TopicPartition, offset: int, name: str, why: str) -> None:
        log.error(
            "partition halted; nothing of it is read, and no silence enforced, until it is set right",
            error=name,
            why=why,
            topic=place.topic,
            partition=place.partition,
            offset=offset,
        )

    def _show(self) -> None:
        """Have readiness say what is halted."""
        lacking = {f"{topic}/{number}, which is halted: {name}" for (topic, number), name in self.names().items()}
        for each in self._shown - lacking:
            self._vitals.has(each, really=True)
        for each in lacking:
            self._vitals.has(each, really=False)
        self._shown = lacking
