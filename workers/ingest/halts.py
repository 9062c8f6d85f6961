"""What an operator is told of partitions that cannot be read: log and readiness.

Owns that alone. The invariant: no partition is shown as halted without a line in the log.
"""

from collections.abc import Iterable, Mapping

from contracts.topics import Partition
from workers.ingest.partition import OwnedPartition
from workers.ops.health import Vitals
from workers.ops.logs import Log

log = Log()


class Halts:
    """The partitions of one worker that are shown as halted, and Kafka's name for why."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals
        self._shown: dict[Partition, str] = {}

    def show(self, owned: Mapping[Partition, OwnedPartition], why: str = "") -> None:
        """Show what is halted now; `why` is the reason in words for what is halted newly."""
        halted = {place: name for place, each in owned.items() if (name := each.halted_by) is not None}
        for place in self._shown.keys() - halted.keys():
            log.info("partition goes on", topic=place[0], partition=place[1])
            self._has(place, really=True)
        for place, name in halted.items():
            if self._shown.get(place) != name:
                log.error(
                    "partition halted; nothing of it is read, and no deadline is enforced, until an operator acts",
                    error=name,
                    why=why,
                    topic=place[0],
                    partition=place[1],
                    offset=owned[place].fetch_offset,
                )
                self._has(place, really=True)
                self._shown[place] = name
                self._has(place, really=False)
        self._shown = halted

    def forget(self, places: Iterable[Partition]) -> None:
        """These are tried from the beginning, by this worker or another."""
        for place in places:
            self._has(place, really=True)
            self._shown.pop(place, None)

    def _has(self, place: Partition, really: bool) -> None:
        if (name := self._shown.get(place)) is not None:
            self._vitals.has(f"{place[0]}/{place[1]}, which is halted: {name}", really)
