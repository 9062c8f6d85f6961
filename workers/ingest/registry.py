"""Cases that wait for the registry: all that the registry had when a case was read is read before it is processed.

The proof is an order of requests. A case is read. After that the brokers are asked for the high watermark of every
partition that the registry has. After that the stored positions of all of them, whichever worker owns them, are at or
beyond these offsets. No clock is compared. So a registry fact that was acknowledged before the case was produced is
read before the case is processed, also one that lies in a transaction: a position passes that when it has ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.topics import Partition
from workers.ingest.partition import OwnedPartition, RegistryWait
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


@dataclass(frozen=True, slots=True)
class Registry:
    """How far the registry is read, and where it ends."""

    store: Positions
    brokers: Ends

    async def let_cases_go_on(self, owned: Mapping[Partition, OwnedPartition]) -> list[Partition]:
        """Ask for the cases that do not know yet what they wait for; the partitions that need not wait any longer."""
        waiting = {place: each for place, each in owned.items() if each.wait is not None}
        if not waiting:
            return []
        await self._ask([each.wait for each in waiting.values() if each.wait is not None])
        read = await self._read()
        reached = [place for place, each in waiting.items() if each.wait is not None and each.wait.is_over(read)]
        for place in reached:
            waiting[place].registry_reached()
        return reached

    async def _ask(self, waits: Iterable[RegistryWait]) -> None:
        asking = [each for each in waits if each.targets is None]
        if not asking:
            return
        read = await self._read()
        ends = await self.brokers.ends_of(REGISTRY)
        if ends is None or any(ends.get(number, -1) < offset for number, offset in read.items()):
            return  # an end before what was read is of a partition that lost records: it proves nothing
        for each in asking:
            each.targets = ends

    async def _read(self) -> dict[int, int]:
        """The stored next offset of each partition of the registry."""
        return {each.partition: each.next_offset for each in await self.store.positions() if each.topic == REGISTRY}
