"""The timers worker: enforces what silence decides, as soon as the horizon passes it.

Owns when to look, not what to decide. Any number may run: each claims the accounts that nobody holds.
"""

import asyncio

from workers.enforcement.road import Enforcement
from workers.store.listener import Bell

CHUNK = 400
"""Accounts in one transaction: small enough that ingest never waits long for one of them."""
FIRST_CHUNK = 20
"""A small first claim, so that the first decision of a busy midnight is out at once."""
IDLE_SECONDS = 1.0
"""How long to wait where no worker says that the horizon moved."""


async def run(enforcement: Enforcement, bell: Bell, stop: asyncio.Event) -> None:
    """Enforce silence until `stop` is set."""
    limit = FIRST_CHUNK
    while not stop.is_set():
        done = await enforcement.enforce_due(limit)
        if done.accounts:
            limit = CHUNK
            continue
        limit = FIRST_CHUNK
        await bell.wait(IDLE_SECONDS, stop)
