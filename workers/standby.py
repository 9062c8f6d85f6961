"""Who was taken over stands by, instead of taking back at once what another would then take again.

Owns how long. A relay takes a shard over once nobody publishes it: the other says that it ends, or rows of the log
wait and the checkpoint has not moved for a while. An ingest worker whose name another uses waits until that one
has left the group. The invariant: two of one kind do not take from each other in turn, and a new process takes over
as soon as it starts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from workers.ops.health import Vitals
from workers.store.listener import Bell

LOOK_SECONDS = 1.0
FIRST_SECONDS = 3.0
"""How long rows may wait unpublished before a relay that stands by takes over."""
LONGEST_SECONDS = 60.0
GONE_SECONDS = 4.0
GONE_LOOKS = 3
"""A name is free that was not seen so often in a row: who has it may just be joining again."""
SOON_SECONDS = 60.0
"""A relay that loses a shard so soon after it took over waits twice as long the next time."""


@dataclass(slots=True)
class Standby:
    """The patience of one relay with one shard; instants are those of the event loop."""

    patience: float = FIRST_SECONDS
    taken_over_at: float | None = None

    def lost(self, now: float) -> None:
        """Another relay took the shard."""
        soon = self.taken_over_at is not None and now - self.taken_over_at < SOON_SECONDS
        self.patience = min(LONGEST_SECONDS, self.patience * 2) if soon else FIRST_SECONDS

    async def wait(
        self, published: Callable[[], Awaitable[tuple[int, bool]]], ended: Bell, stop: asyncio.Event
    ) -> None:
        """Return once nobody publishes, or at `stop`.

        `published` says how far the shard is and whether rows wait; `ended` rings where a relay stops in order.
        """
        ended.heard.clear()  # of an earlier end
        loop = asyncio.get_running_loop()
        seen, since = -1, loop.time()
        while not stop.is_set():
            seq, rows_wait = await published()
            if seq != seen or not rows_wait:
                seen, since = seq, loop.time()
            elif loop.time() - since >= self.patience:
                break
            if await ended.wait(LOOK_SECONDS, stop):
                break
        self.taken_over_at = loop.time()


async def until_gone(is_there: Callable[[], Awaitable[bool]], vitals: Vitals, stop: asyncio.Event) -> None:
    """Return once another process of this one's name has gone, or at `stop`."""
    unseen = 0
    while unseen < GONE_LOOKS and not stop.is_set():
        for loop in vitals.watchdog.stalled:
            vitals.turned(loop)  # it does nothing, and that is right
        unseen = 0 if await is_there() else unseen + 1
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_SECONDS):
                await stop.wait()
