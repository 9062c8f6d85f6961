"""A short run of the simulator, and proof that it can fail: faults planted in the engine are found."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator.__main__ import main
from tests.simulator.played_kafka import PLACES
from tests.simulator.running import failure, quiet, run_some, smallest
from tests.simulator.scenario import SHARDS, scenario
from tests.simulator.simulation import World
from tests.support.scheduled_store import ScheduledStore, ScheduledTransaction, run_alone
from workers.enforcement import evaluate, fast_path
from workers.relay import Shard
from workers.store.records import Position


@pytest.mark.model
@pytest.mark.parametrize("seed", [1, secrets.randbelow(10**9)], ids=["fixed", "fresh"])
def test_five_hundred_histories_end_as_in_the_model(seed: int) -> None:
    assert main(["--seed", str(seed), "--histories", "500", "--processes", "2"]) == 0


def test_the_same_seed_runs_the_same_way_twice() -> None:
    def logged() -> Any:
        world = World(replace(scenario("1/3"), kills=0.04, moves=0.03))
        world.run()
        return world.store.steps, world.kills, world.store.tables.log

    with quiet():
        assert logged() == logged()


def lies_inside_always(*_: object, **__: object) -> bool:
    return True


def quiet_for_ever(**_: object) -> int:
    return 2**62


async def forgets_its_checkpoint(self: Shard) -> None:
    await self.producer.open()


async def expects_whatever_is_stored(self: ScheduledTransaction, expected: list[Position]) -> None:
    for each in expected:
        await self.lock(("position", each[:2]))


@pytest.mark.model
@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (fast_path, "lies_inside", lies_inside_always),
        (evaluate, "quiet_until", quiet_for_ever),
        (Shard, "open", forgets_its_checkpoint),
        (ScheduledTransaction, "lock_positions", expects_whatever_is_stored),
    ],
    ids=[
        "late orders ignored",
        "a wake-up passed over",
        "the relay's checkpoints forgotten",
        "positions not compared",
    ],
)
def test_a_planted_fault_is_found_and_its_history_made_small(
    owner: Any, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, fault)
    _, _, failed = run_some([f"2/{index}" for index in range(1000)])
    assert failed is not None
    with quiet():
        given = scenario(failed)
        small = smallest(given, 1500)
        assert failure(small) is not None
    assert len(small.arrivals) < min(len(given.arrivals), 10), str(small)


def test_a_lock_held_for_ever_is_noticed() -> None:
    store = ScheduledStore(PLACES, SHARDS)

    async def both_want_the_same() -> None:
        async with store.transaction() as one, store.transaction() as other:
            await one.lock(("account", "a"))
            await other.lock(("account", "a"))

    with pytest.raises(AssertionError, match="lock that nobody will let go"):
        run_alone(both_want_the_same())
