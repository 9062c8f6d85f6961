"""Logging: one line for each event with the worker's name, as JSON unless standard error is a terminal.

Of the libraries' lines it keeps warnings and errors, each text once a minute. The invariant: logging never blocks.
"""

import logging
import sys
import time
from collections import OrderedDict

import structlog

from workers.ops.stderr import queue_stderr
from workers.ops.terminal import shown

REPEAT_SECONDS = 60.0
_MOST_TEXTS = 1000


def configure(worker: str) -> structlog.typing.FilteringBoundLogger:
    """Log to standard error as `worker`; returns its logger."""
    stderr = queue_stderr()
    console = [_shown, structlog.dev.ConsoleRenderer()]
    renderers = console if stderr.isatty() else [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stderr),
    )
    structlog.contextvars.bind_contextvars(worker=worker)
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()], force=True)
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # the caller logs why it has no connection
    logging.getLogger("workers.kafka").setLevel(logging.ERROR)  # librdkafka's retries
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def configure_command() -> None:
    """Log a command's own lines to standard error, an error in one line; drop the libraries' lines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _in_one_line,
            _shown,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


def _in_one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace a traceback by the error in one line."""
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found
    if isinstance(error, BaseException):
        event["error"] = " ".join(f"{type(error).__name__}: {error}".split())
    return event


def _shown(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what a terminal would interpret; a traceback keeps its lines."""
    return {
        name: "\n".join(map(shown, value.split("\n"))) if isinstance(value, str) else value
        for name, value in event.items()
    }


class LibraryLines(logging.Handler):
    """Logs the libraries' records as events of the engine, each text once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._log = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record, unless its text was logged within the last minute."""
        try:
            self._emit(record, record.getMessage(), time.monotonic())
        except Exception:
            self.handleError(record)  # as every handler does: logging must not raise

    def _emit(self, record: logging.LogRecord, text: str, now: float) -> None:
        since, repeated = self._logged.pop(text, (-REPEAT_SECONDS, 0))
        if now - since < REPEAT_SECONDS:
            self._logged[text] = (since, repeated + 1)
            return
        self._logged[text] = (now, 0)
        if len(self._logged) > _MOST_TEXTS:
            self._logged.popitem(last=False)
        more = {"repeated": repeated} if repeated else {}
        self._log.log(record.levelno, text, logger=record.name, exc_info=record.exc_info, **more)
