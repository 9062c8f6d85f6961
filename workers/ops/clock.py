"""The only place that asks the machine for the time.

`wall` stamps what is recorded. The present, which the watermark depends on, is the wall clock in live
operation and the latest `occurred_at` read where histories are played (`STANDING_CLOCK=events`).
"""

import time
from typing import Protocol

from workers.rules.calendar import Instant


class Clock(Protocol):
    """What the engine asks of time; tests pass their own."""

    def wall(self) -> Instant:
        """The wall clock, in microseconds since 1970 UTC."""
        ...


class WallClock:
    """The machine's clock."""

    def wall(self) -> Instant:
        return time.time_ns() // 1000
