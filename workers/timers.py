"""The timers worker: enforces what silence decides, as soon as the horizon passes it.

Owns when to look, not what to decide. Any number may run: each claims the accounts that nobody holds.
"""

import asyncio
from functools import partial

from workers.enforcement.road import Enforcement
from workers.ops.backoff import Backoff, insist
from workers.store.listener import Bell, Listener
from workers.store.postgres import TRANSIENT

CHUNK = 400
"""Accounts in one transaction: small enough that ingest never waits long for one of them."""
FIRST_CHUNK = 20
"""A small first claim, so that the first decision of a busy midnight is out at once."""
AT_A_TIME = 2
TRIES = 8
IDLE_SECONDS = 1.0
"""How long to wait where no worker says that the horizon moved."""


async def run(enforcement: Enforcement, listener: Listener, stop: asyncio.Event) -> None:
    """Enforce silence until `stop` is set, in several transactions at a time: one is judged while others commit."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_A_TIME):
            tasks.create_task(_run_one(enforcement, listener.bell(), stop))


async def _run_one(enforcement: Enforcement, bell: Bell, stop: asyncio.Event) -> None:
    limit = FIRST_CHUNK
    backoff = Backoff(TRIES)
    while not stop.is_set():
        done = await insist(partial(enforcement.enforce_due, limit), backoff, TRANSIENT)
        if done is None:
            continue
        limit = CHUNK if done.accounts else FIRST_CHUNK
        if not done.accounts:
            await insist(partial(bell.wait, IDLE_SECONDS, stop), backoff, TRANSIENT)
