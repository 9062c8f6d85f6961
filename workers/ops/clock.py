"""The only module that reads the machine's clock.

Records carry its time. It also bounds the watermark, unless `STANDING_CLOCK=events` selects event time.
"""

import time
from typing import Protocol

from workers.rules.calendar import Instant


class Clock(Protocol):
    """The source of the current time; tests pass their own."""

    def wall(self) -> Instant:
        """The wall clock, in microseconds since 1970 UTC."""
        ...


class WallClock:
    """The machine's clock."""

    def wall(self) -> Instant:
        return time.time_ns() // 1000
