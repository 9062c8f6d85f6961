"""Backing off with jitter, for a bounded number of tries; then the error is the caller's."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from workers.ops.blame import server_of

log = structlog.get_logger()

Result = TypeVar("Result")


def _unheard(_: Exception) -> None:
    pass


class Backoff:
    """Waits longer after each failure in a row; raises the failure itself after `tries` of them.

    `heard` is told of each.
    """

    def __init__(
        self,
        tries: int,
        heard: Callable[[Exception], None] = _unheard,
        *,
        first_seconds: float = 0.05,
        longest_seconds: float = 5.0,
    ) -> None:
        self._tries = tries
        self._heard = heard
        self._first = first_seconds
        self._longest = longest_seconds
        self._failures = 0

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        self._failures = 0

    async def failed(self, error: Exception) -> None:
        """Wait before the next try; raises `error` where there have been enough."""
        self._heard(error)
        self._failures += 1
        if self._failures >= self._tries:
            raise error
        longest = min(self._longest, self._first * 2 ** (self._failures - 1))
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # jitter, not a secret


async def insist(
    work: Callable[[], Awaitable[Result]], backoff: Backoff, transient: tuple[type[Exception], ...]
) -> Result | None:
    """Do one piece of work; where it fails for a `transient` reason, back off and return None instead."""
    try:
        done = await work()
    except transient as error:
        log.warning("rolled back", server=server_of(error), error=repr(error))
        await backoff.failed(error)
        return None
    backoff.succeeded()
    return done
