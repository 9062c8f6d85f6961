"""A history that streams in while a fault happens, and the verdict on what came of it.

The order is: load, fault, rest, late facts, rest, verdict. The test brings the fault.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from tests.faults.deployment import FaultyDeployment
from tests.support.checker import Verdict
from workers.demo.generate import Generated, HistoryParameters, history

PARAMETERS = HistoryParameters(seed=7, accounts=100, companies=30, days=400, late=0.1, doubled=0.05, bad=0.003)
PIECES, PAUSE_SECONDS = 60, 0.4
"""The longest history during a fault lasts half a minute."""


async def feed(deployment: FaultyDeployment, messages: Sequence[Generated], over: asyncio.Event) -> None:
    """Send a history in pieces for as long as a fault lasts, then the rest in one piece."""
    size = len(messages) // PIECES + 1
    for start in range(0, len(messages), size):
        await deployment.stream(messages[start : start + size])
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PAUSE_SECONDS)


async def under_load(deployment: FaultyDeployment, fault: Callable[[], Awaitable[None]]) -> Verdict:
    """Stream a history while a fault happens, then a part that is months late; all must be decided and right."""
    messages = history(PARAMETERS)
    late = messages[100::20]
    in_time = [each for number, each in enumerate(messages) if number < 100 or number % 20]
    async with deployment.working():
        over = asyncio.Event()
        streaming = asyncio.create_task(feed(deployment, in_time, over))
        await deployment.at_work()
        await fault()
        ended = time.monotonic()
        over.set()
        await streaming
        await deployment.streamed(in_time)
        took = time.monotonic() - ended
        await deployment.stream(late)
        await deployment.streamed(messages)
        await deployment.published()
    _, verdict = await deployment.at_rest()
    died = [each for each in deployment.exits if each[1]]
    print(f"all decided {took:.1f} s after the fault; ended with an error {died}; {verdict}")
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    assert verdict.figures["withdrawals"] > 0
    return verdict
