"""The fan-out worker: judges the members of a company again after its terminations changed.

It goes through the members in chunks, under a lease. The terminations apply to members that it has not reached too:
every evaluation of a member loads them.
"""

import asyncio
import time
from functools import partial

from workers import timeouts
from workers.enforcement.process import Enforcement
from workers.measuring import decided
from workers.ops.backoff import Backoff, try_once
from workers.ops.health import Vitals
from workers.store.listener import Bell
from workers.store.postgres import TRANSIENT, Store

CHUNK = 400
"""Members in one transaction: few enough that ingest never waits long for one of them."""
FIRST_CHUNK = 20
"""Members in the first transaction: few, so that the first terminations are published soon."""
TRIES = 8
IDLE_SECONDS = 1.0


async def run(store: Store, enforcement: Enforcement, bell: Bell, vitals: Vitals, stop: asyncio.Event) -> None:
    """Process fan-outs until `stop` is set."""
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        vitals.turned("fanout")
        worked = await try_once(partial(_fanout_some, store, enforcement, vitals), backoff, TRANSIENT)
        if worked is False:
            await try_once(partial(bell.wait, IDLE_SECONDS, stop), backoff, TRANSIENT)


async def _fanout_some(store: Store, enforcement: Enforcement, vitals: Vitals) -> bool:
    """Judge one chunk of one company's members; False if no fan-out is pending."""
    fanout = await store.claim_fanout(timeouts.LEASE_SECONDS)
    vitals.answered("database")
    if fanout is not None:
        began = time.perf_counter()
        done = await enforcement.process_fanout(fanout, CHUNK if fanout.cursor else FIRST_CHUNK)
        decided(vitals, done, time.perf_counter() - began)
    return fanout is not None
