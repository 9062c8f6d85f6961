"""How long a worker that lost its work to another one stands by before it takes the work over again.

A relay takes over a shard when the other relay announces its end, or when rows of the log wait and the checkpoint has
not moved for some time. An ingest worker whose name another process uses waits until that process has left the group.
The invariant: two workers do not take over from each other in turn, but a new process takes over when it starts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from workers.ops.health import Vitals
from workers.store.listener import Bell

LOOK_SECONDS = 1.0
FIRST_SECONDS = 3.0
"""How long rows wait unpublished before a standby relay takes over."""
LONGEST_SECONDS = 60.0
GONE_SECONDS = 4.0
GONE_LOOKS = 3
"""A name is free after this many checks in a row without it; a member that rejoins is absent for a moment."""
SOON_SECONDS = 60.0
"""A relay that loses a shard sooner than this after its takeover waits twice as long the next time."""


@dataclass(slots=True)
class Standby:
    """The standby state of one relay for one shard; instants are those of the event loop, in seconds."""

    patience: float = FIRST_SECONDS
    taken_over_at: float | None = None

    def lost(self, now: float) -> None:
        """Record that another relay took over the shard."""
        soon = self.taken_over_at is not None and now - self.taken_over_at < SOON_SECONDS
        self.patience = min(LONGEST_SECONDS, self.patience * 2) if soon else FIRST_SECONDS

    async def wait(
        self, published: Callable[[], Awaitable[tuple[int, bool]]], ended: Bell, stop: asyncio.Event
    ) -> None:
        """Return when no relay publishes the shard, or at `stop`.

        `published` returns the last published row and whether more rows wait; `ended` rings when a relay stops.
        """
        ended.heard.clear()  # set by an earlier end
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
    """Return when the other process of this name has left the group, or at `stop`."""
    unseen = 0
    while unseen < GONE_LOOKS and not stop.is_set():
        for loop in vitals.watchdog.stalled:
            vitals.turned(loop)  # waiting is not a stall
        unseen = 0 if await is_there() else unseen + 1
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_SECONDS):
                await stop.wait()
