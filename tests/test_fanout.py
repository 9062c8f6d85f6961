"""How many members of a company the fan-out worker judges in one transaction."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from workers.enforcement.process import Done
from workers.fanout import CHUNK, FIRST_CHUNK, run
from workers.ops.health import Vitals
from workers.store.records import Fanout


@dataclass
class Played:
    """A store with one fan-out, and the engine that moves it; stops its worker once the members are through."""

    cursors: list[str]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    limits: list[int] = field(default_factory=list)

    async def claim_fanout(self, lease_seconds: float) -> Fanout:
        cursor = self.cursors.pop(0)
        if not self.cursors:
            self.stop.set()
        return Fanout("c", 1, cursor, False, "[]")

    async def process_fanout(self, fanout: Fanout, limit: int) -> Done:
        self.limits.append(limit)
        return Done(limit)


async def test_the_first_terminations_do_not_wait_for_many_others() -> None:
    played: Any = Played(["", "m", "z"])
    bell: Any = None  # there is always something to do
    await run(played, played, bell, Vitals(), played.stop)
    assert played.limits == [FIRST_CHUNK, CHUNK, CHUNK]
    assert FIRST_CHUNK < CHUNK
