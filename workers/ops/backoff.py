"""Exponential backoff with jitter and a bounded number of tries."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from workers.ops.blame import server_of
from workers.ops.logs import Log

log = Log()

Result = TypeVar("Result")


def _ignore(_: Exception) -> None:
    pass


class Backoff:
    """Waits longer after each consecutive failure; raises the last one after `tries` of them.

    Calls `on_failure` with each failure.
    """

    def __init__(
        self,
        tries: int,
        on_failure: Callable[[Exception], None] = _ignore,
        *,
        first_seconds: float = 0.05,
        longest_seconds: float = 5.0,
    ) -> None:
        self._tries = tries
        self._on_failure = on_failure
        self._first = first_seconds
        self._longest = longest_seconds
        self._failures = 0

    def succeeded(self) -> None:
        """Start counting failures from zero."""
        self._failures = 0

    async def failed(self, error: Exception) -> None:
        """Wait before the next try; raises `error` after the last one."""
        self._on_failure(error)
        self._failures += 1
        if self._failures >= self._tries:
            raise error
        longest = min(self._longest, self._first * 2 ** (self._failures - 1))
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # jitter, not a secret


async def try_once(
    work: Callable[[], Awaitable[Result]], backoff: Backoff, transient: tuple[type[Exception], ...]
) -> Result | None:
    """Return the result of `work`; after a `transient` error, back off and return None."""
    try:
        result = await work()
    except transient as error:
        log.warning("rolled back", server=server_of(error), error=repr(error))
        await backoff.failed(error)
        return None
    backoff.succeeded()
    return result
