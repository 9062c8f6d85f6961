"""Logs: a line for each event, as JSON where standard error is no terminal, with the worker's name."""

import logging
import sys

import structlog

from workers.ops.terminal import shown


def configure(worker: str) -> structlog.typing.FilteringBoundLogger:
    """Log to standard error as `worker`; returns its logger."""
    for_people = [_shown, structlog.dev.ConsoleRenderer()]
    renderers = for_people if sys.stderr.isatty() else [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(worker=worker)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is raised, and logged where it is handled
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # it tries again; who needs a connection says why
    logging.getLogger("workers.kafka").setLevel(logging.ERROR)  # librdkafka's retries
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _shown(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what a terminal would act upon; a traceback keeps its lines."""
    return {
        name: "\n".join(map(shown, value.split("\n"))) if isinstance(value, str) else value
        for name, value in event.items()
    }
