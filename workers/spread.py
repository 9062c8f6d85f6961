"""The spread worker: judges the members of a company again after its terminations changed.

Owns the cursor's way through the members, in chunks, under a lease. What it has not reached yet is in force
all the same: whoever else judges a member loads the company's terminations.
"""

import asyncio
from functools import partial

from workers.enforcement.road import Enforcement
from workers.ops.backoff import Backoff, insist
from workers.store.listener import Bell
from workers.store.postgres import TRANSIENT, Store

CHUNK = 400
LEASE_SECONDS = 5.0
TRIES = 8
IDLE_SECONDS = 1.0


async def run(store: Store, enforcement: Enforcement, bell: Bell, stop: asyncio.Event) -> None:
    """Spread until `stop` is set."""
    backoff = Backoff(TRIES)
    while not stop.is_set():
        worked = await insist(partial(_spread_some, store, enforcement), backoff, TRANSIENT)
        if worked is False:
            await insist(partial(bell.wait, IDLE_SECONDS, stop), backoff, TRANSIENT)


async def _spread_some(store: Store, enforcement: Enforcement) -> bool:
    """Judge one chunk of one company's members; False where nothing is to be spread."""
    spread = await store.claim_spread(LEASE_SECONDS)
    if spread is not None:
        await enforcement.spread(spread, CHUNK)
    return spread is not None
