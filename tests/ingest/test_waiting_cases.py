"""Which cases wait for the registry and until when, without any server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from contracts.topics import Partition
from tests.support.scheduled_store import run_alone
from workers.ingest.partition import OwnedPartition
from workers.ingest.registry import CASES, REGISTRY, Registry
from workers.store.records import Position

PLACE = (CASES, 0)
OTHER = (CASES, 1)


@dataclass
class Played:
    """The stored positions of the registry, and where the brokers say that it ends."""

    read: dict[int, int]
    ends: Mapping[int, int] | None
    asked: list[str] = field(default_factory=list)

    async def positions(self) -> list[Position]:
        others = [Position(CASES, number, 0, 1, None, None) for number in range(3)]
        return others + [Position(REGISTRY, number, offset, 1, None, None) for number, offset in self.read.items()]

    async def ends_of(self, topic: str) -> Mapping[int, int] | None:
        self.asked.append(topic)
        return self.ends


@dataclass
class Cases:
    """The partitions of cases, and the registry that theirs wait for."""

    played: Played
    owned: dict[Partition, OwnedPartition] = field(
        default_factory=lambda: {
            place: OwnedPartition(Position(*place, 7, 1, None, None)) for place in (PLACE, OTHER)
        }
    )

    def go_on(self) -> list[Partition]:
        reached: list[Partition] = run_alone(Registry(self.played, self.played).let_cases_go_on(self.owned))
        return reached


def waiting(played: Played) -> Cases:
    """A partition waits at a case."""
    cases = Cases(played)
    cases.owned[PLACE].case_must_wait(covers=9)
    return cases


@pytest.mark.parametrize("read", [{0: 5, 1: 3}, {0: 6, 1: 4}], ids=["there", "beyond"])
def test_a_case_goes_on_when_every_partition_is_read_to_the_end_asked_for(read: dict[int, int]) -> None:
    played = Played({0: 0, 1: 0}, {0: 5, 1: 3})
    cases = waiting(played)
    assert cases.go_on() == []
    for behind in ({0: 4, 1: 3}, {0: 5, 1: 2}, {0: 5, 1: 0}, {0: 100, 1: 0}):
        played.read = behind
        assert cases.go_on() == []
    played.read, played.ends = read, {0: 50, 1: 50}
    assert cases.go_on() == [PLACE]
    assert played.asked == [REGISTRY], "once"
    assert cases.owned[PLACE].wait is None


def test_an_empty_registry_keeps_no_case_waiting() -> None:
    assert waiting(Played({0: 0, 1: 0}, {0: 0, 1: 0})).go_on() == [PLACE]


@pytest.mark.parametrize("end", [0, 1])
def test_a_partition_that_was_not_set_up_keeps_cases_waiting_also_an_empty_one(end: int) -> None:
    assert waiting(Played({0: 5, 1: 3}, {0: 5, 1: 3, 2: end})).go_on() == []


@pytest.mark.parametrize("ends", [None, {0: 5}, {0: 4, 1: 3}, {}], ids=["no answer", "fewer", "records lost", "none"])
def test_ends_that_prove_nothing_are_asked_for_again(ends: Mapping[int, int] | None) -> None:
    played = Played({0: 5, 1: 3}, ends)
    cases = waiting(played)
    assert cases.go_on() == []
    played.ends = {0: 5, 1: 3}
    assert cases.go_on() == [PLACE]
    assert len(played.asked) == 2


def test_a_case_that_begins_to_wait_later_is_asked_for_by_itself() -> None:
    played = Played({0: 0}, {0: 5})
    cases = waiting(played)
    assert cases.go_on() == []
    played.ends = {0: 6}
    cases.owned[OTHER].case_must_wait(covers=2)
    played.read = {0: 5}
    assert cases.go_on() == [PLACE]
    assert cases.go_on() == []
    played.read = {0: 6}
    assert cases.go_on() == [OTHER]
    assert len(played.asked) == 2
