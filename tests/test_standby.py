"""How long a worker that was taken over stands by: while the other works, and no longer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from workers import standby
from workers.ops.health import Vitals
from workers.standby import FIRST_SECONDS, GONE_LOOKS, LONGEST_SECONDS, Standby, until_gone
from workers.store.listener import Bell


class PlayedBell:
    """Rings at the looks that are named, counted from 1."""

    def __init__(self, *rings: int) -> None:
        self.heard = asyncio.Event()
        self.heard.set()  # of a relay that ended long ago
        self.rings = rings
        self.looks = 0

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        self.looks += 1
        await asyncio.sleep(0.01)
        return self.heard.is_set() or self.looks in self.rings


def published(*answers: tuple[int, bool]) -> Callable[[], Awaitable[tuple[int, bool]]]:
    """What is seen at each look; the last answer for ever after."""
    left = list(answers)

    async def answer() -> tuple[int, bool]:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def waited(patience: float, bell: PlayedBell, *answers: tuple[int, bool]) -> int:
    """How often it looked before it took over."""
    waiting = Standby(patience)
    await asyncio.wait_for(waiting.wait(published(*answers), cast("Bell", bell), asyncio.Event()), 5)
    assert waiting.taken_over_at is not None
    return bell.looks


async def test_a_shard_is_taken_over_once_rows_wait_and_the_checkpoint_does_not_move() -> None:
    moving = [(seq, True) for seq in range(20)]
    assert await waited(0.05, PlayedBell(), *moving, (19, True)) >= 20
    idle = [(7, False)] * 20
    assert await waited(0.05, PlayedBell(), *idle, (7, True)) >= 20


async def test_a_shard_is_taken_over_when_the_other_relay_announces_its_end() -> None:
    assert await waited(1000, PlayedBell(3), (7, False)) == 3


def test_a_relay_that_loses_a_shard_soon_again_waits_longer_up_to_a_limit() -> None:
    waiting = Standby()
    waiting.lost(100.0)
    assert waiting.patience == FIRST_SECONDS
    for _ in range(10):
        waiting.taken_over_at = 100.0
        waiting.lost(101.0)
    assert waiting.patience == LONGEST_SECONDS
    waiting.lost(1000.0)
    assert waiting.patience == FIRST_SECONDS


async def test_a_name_is_free_after_several_checks_in_a_row_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "GONE_SECONDS", 0.01)
    seen = [True, False, False, True, *[False] * GONE_LOOKS]

    async def is_there() -> bool:
        return seen.pop(0)

    await asyncio.wait_for(until_gone(is_there, Vitals(), asyncio.Event()), 5)
    assert seen == []
