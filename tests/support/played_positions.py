"""What the played consumers of the ingest worker share: positions, pauses, and brokers that change nothing."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from contracts.topics import Partition


@dataclass(slots=True, kw_only=True)
class PlayedPositions:
    """Where the consumer reads on in each partition, and which are paused."""

    positions: dict[Partition, int] = field(default_factory=dict)
    paused_places: set[Partition] = field(default_factory=set)

    async def recreated(self, topics: Iterable[str]) -> Collection[str]:
        return ()

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Nobody reads them."""

    def has_leader(self, place: Partition) -> bool:
        return True

    def position(self, place: Partition) -> int | None:
        return self.positions.get(place)

    def paused(self) -> set[Partition]:
        return self.paused_places

    def seek(self, place: Partition, offset: int) -> None:
        self.positions[place] = offset

    def pause(self, place: Partition) -> None:
        self.paused_places.add(place)

    def resume(self, place: Partition) -> None:
        self.paused_places.discard(place)
