"""The timers worker: enforces deadlines when the watermark passes them.

Any number can run: each claims accounts that no other transaction has locked.
"""

import asyncio
import time
from contextlib import suppress
from functools import partial

from workers.enforcement.process import Done, Enforcement
from workers.measuring import decided
from workers.ops.backoff import Backoff, try_once
from workers.ops.clock import Clock
from workers.ops.health import Vitals
from workers.rules.calendar import Instant
from workers.store.listener import Bell, Listener
from workers.store.postgres import TRANSIENT, Store

CHUNK = 400
"""Accounts in one transaction: few enough that ingest never waits long for one of them."""
FIRST_CHUNK = 20
"""Accounts in the first transaction: few, so that the first decisions of a busy midnight are published soon."""
AT_A_TIME = 2
TRIES = 8
IDLE_SECONDS = 5.0
"""The longest wait without a notification that the watermark moved."""
ASK_SECONDS = 0.25
"""How often it is asked for a heartbeat while a deadline waits for one; it is late by this much at most."""


async def run(enforcement: Enforcement, listener: Listener, vitals: Vitals, stop: asyncio.Event) -> None:
    """Enforce deadlines until `stop` is set, in concurrent transactions: one evaluates while another commits."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(AT_A_TIME):
            tasks.create_task(_run_one(f"timer {number}", enforcement, listener.bell(), vitals, stop))


async def ask_for_heartbeats(
    store: Store, clock: Clock, allowed_lateness: Instant, vitals: Vitals, stop: asyncio.Event
) -> None:
    """Ask for a heartbeat while a deadline has passed by the wall clock and is not enforced, until `stop` is set."""
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        vitals.turned("asking")
        await try_once(lambda: store.ask_for_heartbeat(clock.wall() - allowed_lateness), backoff, TRANSIENT)
        with suppress(TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                await stop.wait()


async def _run_one(name: str, enforcement: Enforcement, bell: Bell, vitals: Vitals, stop: asyncio.Event) -> None:
    limit = FIRST_CHUNK
    backoff = Backoff(TRIES, vitals.failed)
    while not stop.is_set():
        vitals.turned(name)
        done = await try_once(partial(_process_due, enforcement, limit, vitals), backoff, TRANSIENT)
        if done is None:
            continue
        limit = CHUNK if done.accounts else FIRST_CHUNK
        if not done.accounts:
            await try_once(partial(bell.wait, IDLE_SECONDS, stop), backoff, TRANSIENT)


async def _process_due(enforcement: Enforcement, limit: int, vitals: Vitals) -> Done:
    began = time.perf_counter()
    done = await enforcement.process_due(limit)
    vitals.answered("database")
    if done.accounts:
        decided(vitals, done, time.perf_counter() - began)
    return done
