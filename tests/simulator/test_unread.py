"""Faults in what keeps the engine from acting on what it has not read: the simulator finds each of them soon."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.simulator.played_kafka import PlayedIntake
from tests.simulator.running import failure, quiet, run_some
from tests.simulator.scenario import PARTITIONS, scenario
from tests.support.scheduled_store import STEP
from workers.codec.batch import Batch
from workers.codec.decoding import Read
from workers.completeness import Completeness
from workers.enforcement.inputs import Move
from workers.ingest.worker import Ingest
from workers.kafka.handling import Partition
from workers.rules.calendar import Instant
from workers.store.records import Position
from workers.waiting_cases import WaitingCases

FOR_EVER = 2**62
UNREAD = "is unread"
BEYOND = "complete beyond every clock"
TAKEN_BACK = "a case that came in time was taken back"


async def the_stable_ends(self: PlayedIntake) -> Mapping[Partition, int]:
    await STEP
    return {place: self.world.logs[place].stable for place in self.reads_at}


async def the_stable_ends_of(self: PlayedIntake, topic: str) -> Mapping[int, int]:
    await STEP
    return {number: self.world.logs[topic, number].stable for number in range(PARTITIONS)}


async def reads_the_clock_last(self: Ingest) -> None:
    if self.complete:
        ends = await self.intake.ends()
        present = await self.present.now()
        if present is not None:
            await self._compare_partitions(present)
            self.complete.ends_seen(ends, present)
            idle = self.complete.idle_moves()
            moves = [Move(self.complete.position(each[:2]), each) for each in idle]
            await self.enforcement.process_batch(Batch(), moves)
            self.complete.committed(idle)


def without_the_clock(
    moved: Callable[..., Position],
) -> Callable[[Completeness, Partition, int, Read, Instant], Position]:
    return lambda self, place, next_offset, read, _: moved(self, place, next_offset, read, FOR_EVER)


def opened_by(reached: Callable[[Mapping[int, int], Mapping[int, int]], bool]) -> Any:
    """A gate that opens when, of the positions and the targets by partition, `reached` says so."""

    async def gone_on(self: WaitingCases) -> list[Partition]:
        await self._ask()
        read = await self._registry_read()
        told = {place: each for place, each in self._waiting.items() if each.targets is not None}
        gone = [place for place, each in told.items() if each.targets is not None and reached(read, each.targets)]
        for place in gone:
            self._cleared[place] = self._waiting.pop(place).covers
        return gone

    return gone_on


def what_was_ever_read(read: Mapping[int, int], targets: Mapping[int, int]) -> bool:
    return all(read[number] >= end for number, end in targets.items() if read[number])


def the_furthest(read: Mapping[int, int], targets: Mapping[int, int]) -> bool:
    return any(read[number] >= end for number, end in targets.items())


def no_case(self: WaitingCases, place: Partition, offsets: Sequence[int]) -> None:
    return None


SOME = [f"2/{index}" for index in range(600)]
"""The seeds of histories in which each of these faults shows."""


def test_nothing_unread_is_acted_on() -> None:
    count, _, failed = run_some(SOME)
    assert (count, failed) == (len(SOME), None)


@pytest.mark.parametrize(
    ("owner", "name", "fault", "why"),
    [
        pytest.param(PlayedIntake, "ends", the_stable_ends, UNREAD, id="an open transaction's end is believed"),
        pytest.param(PlayedIntake, "ends_of", the_stable_ends_of, TAKEN_BACK, id="the same of the registry"),
        pytest.param(Ingest, "_heartbeat", reads_the_clock_last, UNREAD, id="the clock is read after the ends"),
        pytest.param(Completeness, "moved", without_the_clock, BEYOND, id="a watermark beyond the clock"),
        pytest.param(
            WaitingCases, "gone_on", opened_by(what_was_ever_read), TAKEN_BACK, id="one partition never read"
        ),
        pytest.param(WaitingCases, "gone_on", opened_by(the_furthest), TAKEN_BACK, id="by the furthest partition"),
        pytest.param(WaitingCases, "first", no_case, TAKEN_BACK, id="no gate"),
    ],
)
def test_acting_on_what_is_unread_is_found(
    owner: type, name: str, fault: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault is without_the_clock:
        fault = fault(getattr(owner, name))
    monkeypatch.setattr(owner, name, fault)
    _, _, failed = run_some(SOME)
    assert failed is not None
    with quiet():
        assert why in str(failure(scenario(failed)))
