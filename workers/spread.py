"""The spread worker: judges the members of a company again after its terminations changed.

Owns the cursor's way through the members, in chunks, under a lease. What it has not reached yet is in force
all the same: whoever else judges a member loads the company's terminations.
"""

import asyncio

from workers.enforcement.road import Enforcement
from workers.store.listener import Bell
from workers.store.postgres import Store

CHUNK = 250
LEASE_SECONDS = 5.0
IDLE_SECONDS = 1.0


async def run(store: Store, enforcement: Enforcement, bell: Bell, stop: asyncio.Event) -> None:
    """Spread until `stop` is set."""
    while not stop.is_set():
        spread = await store.claim_spread(LEASE_SECONDS)
        if spread is None:
            await bell.wait(IDLE_SECONDS, stop)
            continue
        await enforcement.spread(spread, CHUNK)
