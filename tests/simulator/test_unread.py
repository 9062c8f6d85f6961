"""Faults in what keeps the engine from acting on what it has not read: the simulator finds each of them soon."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from contracts.topics import Partition
from tests.simulator.played_kafka import PlayedConsumer
from tests.simulator.running import failure, quiet, run_some
from tests.simulator.scenario import PARTITIONS, scenario
from tests.support.scheduled_store import STEP
from workers.codec.batch import Batch
from workers.codec.decoding import Read
from workers.enforcement.position_moves import Move
from workers.ingest.heartbeat import Heartbeat
from workers.ingest.partition import OwnedPartition, RegistryWait
from workers.rules.calendar import Instant
from workers.store.records import Position

pytestmark = pytest.mark.model

FOR_EVER = 2**62
UNREAD = "is unread"
BEYOND = "complete beyond every clock"
TAKEN_BACK = "a case that came in time was taken back"


async def the_stable_ends(self: PlayedConsumer, read: Mapping[Partition, int]) -> Mapping[Partition, int]:
    await STEP
    return {place: self.world.logs[place].stable for place in read}


async def the_stable_ends_of(self: PlayedConsumer, topic: str) -> Mapping[int, int]:
    await STEP
    return {number: self.world.logs[topic, number].stable for number in range(PARTITIONS)}


async def reads_the_clock_last(self: Heartbeat) -> None:
    owned = self.processing.owned
    if owned:
        ends = await self.brokers.ends({place: each.fetch_offset for place, each in owned.items()})
        present = await self.present.now()
        if present is not None:
            await self._compare_partitions(present)
            for place, end in ends.items():
                if place in owned:
                    owned[place].end_seen(end, present)
            idle = [after for each in owned.values() if (after := each.idle_advance()) is not None]
            moves = [Move(owned[each[:2]].position, each) for each in idle]
            await self.processing.enforcement.process_batch(Batch(), moves)
            for each in idle:
                owned[each[:2]].committed(each, owned[each[:2]].window)


def without_the_clock(
    advance: Callable[..., Position],
) -> Callable[[OwnedPartition, int, Read, Instant], Position]:
    return lambda self, next_offset, read, _: advance(self, next_offset, read, FOR_EVER)


def what_was_ever_read(self: RegistryWait, read: Mapping[int, int]) -> bool:
    return self.targets is not None and all(
        read[number] >= end for number, end in self.targets.items() if read[number]
    )


def the_furthest(self: RegistryWait, read: Mapping[int, int]) -> bool:
    return self.targets is not None and any(read[number] >= end for number, end in self.targets.items())


def no_case(self: OwnedPartition, cases: Sequence[int]) -> None:
    return None


SOME = [f"2/{index}" for index in range(600)]
"""The seeds of histories in which each of these faults shows."""


def test_nothing_unread_is_acted_on() -> None:
    count, _, failed = run_some(SOME)
    assert (count, failed) == (len(SOME), None)


@pytest.mark.parametrize(
    ("owner", "name", "fault", "why"),
    [
        pytest.param(PlayedConsumer, "ends", the_stable_ends, UNREAD, id="an open transaction's end is believed"),
        pytest.param(PlayedConsumer, "ends_of", the_stable_ends_of, TAKEN_BACK, id="the same of the registry"),
        pytest.param(Heartbeat, "beat", reads_the_clock_last, UNREAD, id="the clock is read after the ends"),
        pytest.param(OwnedPartition, "advance", without_the_clock, BEYOND, id="a watermark beyond the clock"),
        pytest.param(RegistryWait, "is_over", what_was_ever_read, TAKEN_BACK, id="one partition never read"),
        pytest.param(RegistryWait, "is_over", the_furthest, TAKEN_BACK, id="by the furthest partition"),
        pytest.param(OwnedPartition, "first_to_wait", no_case, TAKEN_BACK, id="no gate"),
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
