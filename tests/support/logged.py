"""What the engine logs, for a test to read."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.ops.logs import ENGINE, said


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append({**said(record), "event": record.getMessage(), "level": record.levelname.lower()})


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The events that are logged in the block, with their values."""
    kept, level = _Kept(), ENGINE.level
    ENGINE.addHandler(kept)
    ENGINE.setLevel(logging.INFO)
    try:
        yield kept.events
    finally:
        ENGINE.removeHandler(kept)
        ENGINE.setLevel(level)
