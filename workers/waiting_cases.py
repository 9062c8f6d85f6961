"""Cases that wait for the registry: all that the registry had when a case was read is read before it is taken in.

The proof is an order of requests. A case is read. After that the brokers are asked for the high watermark of every
partition that the registry has. After that the stored positions of all of them, whichever worker owns them, are at or
beyond these offsets. No clock is compared. So a registry fact that was acknowledged before the case was produced is
read before the case is taken in, also one that lies in a transaction: a position passes that when it has ended.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from workers.kafka.handling import Partition
from workers.store.records import Position

REGISTRY = "seller-accounts"
CASES = "complaints"


class Positions(Protocol):
    """Where the stored positions are read."""

    async def positions(self) -> list[Position]:
        """Every input position."""
        ...


class Ends(Protocol):
    """Who asks the brokers."""

    async def ends_of(self, topic: str) -> Mapping[int, int] | None:
        """The high watermark of every partition that a topic has, by requests sent after this call; None where one
        does not answer, or the topic is not the one that was set up.
        """
        ...


@dataclass(slots=True)
class _Waiting:
    offset: int
    covers: int
    targets: Mapping[int, int] | None = None
    """What the position of each partition of the registry must reach; None until it was asked for."""


@dataclass(slots=True)
class WaitingCases:
    """The partitions of cases that this worker reads, and which of their cases may be taken in."""

    store: Positions
    brokers: Ends
    _waiting: dict[Partition, _Waiting] = field(default_factory=dict)
    _cleared: dict[Partition, int] = field(default_factory=dict)
    """The offset before which no case of a partition has to wait any more."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, place: Partition) -> bool:
        return place in self._waiting

    @property
    def are_told(self) -> bool:
        """Whether one of them knows what it waits for."""
        return any(each.targets is not None for each in self._waiting.values())

    def forget(self, places: Iterable[Partition]) -> None:
        """These partitions are another worker's, or read again from their stored positions."""
        for place in places:
            self._waiting.pop(place, None)
            self._cleared.pop(place, None)

    def first(self, place: Partition, offsets: Collection[int]) -> int | None:
        """The first of these cases of a partition that has to wait."""
        cleared = self._cleared.get(place, 0)
        return min((offset for offset in offsets if offset >= cleared), default=None)

    def wait(self, place: Partition, offset: int, covers: int) -> None:
        """A partition waits at a case. All cases before `covers` could be read before this call: what is asked from
        now on is asked after each of them was read, so they wait together.
        """
        self._waiting[place] = _Waiting(offset, covers)

    async def gone_on(self) -> list[Partition]:
        """Ask for those that do not know yet what they wait for; the partitions that need not wait any longer."""
        if not self._waiting:
            return []
        await self._ask()
        read = await self._registry_read()
        reached = [
            place
            for place, each in self._waiting.items()
            if each.targets is not None and all(read.get(number, -1) >= end for number, end in each.targets.items())
        ]
        for place in reached:
            self._cleared[place] = self._waiting.pop(place).covers
        return reached

    async def _ask(self) -> None:
        asking = [each for each in self._waiting.values() if each.targets is None]
        if not asking:
            return
        read = await self._registry_read()
        ends = await self.brokers.ends_of(REGISTRY)
        if ends is None or any(ends.get(number, -1) < offset for number, offset in read.items()):
            return  # an end before what was read is of a partition that lost records: it proves nothing
        for each in asking:
            each.targets = ends

    async def _registry_read(self) -> dict[int, int]:
        """The stored next offset of each partition of the registry."""
        return {each.partition: each.next_offset for each in await self.store.positions() if each.topic == REGISTRY}
