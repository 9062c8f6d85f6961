"""Logging: one line for each event with the worker's name, as JSON unless standard error is a terminal.

Of the libraries' lines it keeps warnings and errors, each text once a minute. The invariant: logging never blocks.
"""

import json
import logging
import sys
import time
from collections import OrderedDict
from datetime import UTC, datetime

from workers.ops.stderr import queue_stderr
from workers.ops.terminal import shown

REPEAT_SECONDS = 60.0
_MOST_TEXTS = 1000

ENGINE = logging.getLogger("standing")
"""The engine's own events, apart from what the libraries log."""


class Log:
    """Says what happened, with values by name; `exc_info` is an error whose traceback is wanted."""

    def info(self, event: str, **values: object) -> None:
        """What is as it should be."""
        _say(logging.INFO, event, values)

    def warning(self, event: str, **values: object) -> None:
        """What is tried again, or went another way than usual."""
        _say(logging.WARNING, event, values)

    def error(self, event: str, **values: object) -> None:
        """What somebody should look at."""
        _say(logging.ERROR, event, values)

    def exception(self, event: str, **values: object) -> None:
        """The error that is being handled."""
        _say(logging.ERROR, event, {"exc_info": True, **values})


def _say(level: int, event: str, values: dict[str, object]) -> None:
    error: object = values.pop("exc_info", None)
    ENGINE.log(level, event, exc_info=error, extra={"said": values})  # type: ignore[arg-type]  # an error, or True


def configure(worker: str) -> Log:
    """Log to standard error as `worker`; returns its log."""
    stderr = queue_stderr()
    _log_to(logging.StreamHandler(stderr), Console() if stderr.isatty() else Json(worker), LibraryLines())
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # the caller logs why it has no connection
    logging.getLogger("workers.kafka").setLevel(logging.ERROR)  # librdkafka's retries
    return Log()


def configure_command() -> None:
    """Log a command's own lines to standard error, an error in one line; drop the libraries' lines."""
    _log_to(logging.StreamHandler(sys.stderr), OneLine(), logging.NullHandler())


def _log_to(handler: logging.Handler, form: logging.Formatter, of_libraries: logging.Handler) -> None:
    handler.setFormatter(form)
    ENGINE.handlers, ENGINE.propagate = [handler], False
    ENGINE.setLevel(logging.INFO)
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries], force=True)


def said(record: logging.LogRecord) -> dict[str, object]:
    """The values of an event, by name."""
    values: dict[str, object] = getattr(record, "said", {})
    return values


class Json(logging.Formatter):
    """An event as one JSON object."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """The values of the event, what it is, and when and where it happened."""
        line = said(record) | {
            "event": record.getMessage(),
            "worker": self._worker,
            "level": record.levelname.lower(),
            "timestamp": _instant(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr)


class Console(logging.Formatter):
    """An event as a person reads it, with its traceback; what a terminal would act upon is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The event, its values, and below them a traceback."""
        text = f"{_instant(record)} {_words(record)}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return "\n".join(map(shown, text.split("\n")))


class OneLine(logging.Formatter):
    """An event of a command: an error is named without its traceback, which the workers log."""

    def format(self, record: logging.LogRecord) -> str:
        """The event, its values and its error."""
        text = _words(record)
        if record.exc_info and (error := record.exc_info[1]) is not None:
            text += f" error={type(error).__name__}: {error}"
        return shown(" ".join(text.split()))


def _instant(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _words(record: logging.LogRecord) -> str:
    values = (f" {name}={value}" for name, value in said(record).items())
    return f"[{record.levelname.lower()}] {record.getMessage()}{''.join(values)}"


class LibraryLines(logging.Handler):
    """Logs the libraries' records as events of the engine, each text once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: OrderedDict[str, tuple[float, int]] = OrderedDict()

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
        ENGINE.log(record.levelno, text, exc_info=record.exc_info, extra={"said": {"logger": record.name, **more}})
