"""Liveness, readiness and metrics of one worker over HTTP.

The HTTP server runs on the worker's event loop, so a loop that is blocked answers no probe. It renders one answer at
a time, in small pieces, to leave the loop free. The invariant: no request causes a query, so frequent scrapes put no
load on the servers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from workers import timeouts
from workers.ops.blame import named, server_of
from workers.ops.metrics import FAILURES, Measured, Metrics, Unmeasured
from workers.ops.watchdog import Watchdog

LONGEST_LINE = 8192
MOST_HEADERS = 100

ServerName = Literal["database", "kafka"]
_NAMES: dict[ServerName, str] = {"database": "PostgreSQL", "kafka": "Kafka"}


class PortTaken(Exception):
    """Another process listens on the port of the health server."""


def _was_asked(server: ServerName, failed: Collection[str]) -> bool:
    """Whether the worker got as far as asking the server: no server failed lately, or this one did."""
    return not failed or _NAMES[server] in failed


@dataclass(slots=True)
class Vitals:
    """What liveness and readiness of one worker are derived from; its loops report to it."""

    needs: tuple[ServerName, ...] = ()
    """The servers that it needs to be ready."""
    metrics: Metrics = field(default_factory=Unmeasured)
    watchdog: Watchdog = field(default_factory=lambda: Watchdog("", timeouts.WATCHDOG_SECONDS))
    lacks: set[str] = field(default_factory=set)
    """What else it needs to be ready and does not have."""
    _answered: dict[str, float] = field(default_factory=dict)
    _failed: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When a server last failed and the error in one line, by the server's name."""

    def turned(self, loop: str) -> None:
        """Report that a loop of the worker completed a round."""
        self.watchdog.turned(loop)

    def answered(self, *servers: ServerName) -> None:
        """Report that these servers answered a request."""
        now = time.monotonic()
        for each in servers:
            self._answered[each] = now

    def failed(self, error: Exception) -> None:
        """Report an error after which the worker tries again."""
        if server := server_of(error):
            self._failed[server] = (time.monotonic(), named(error))
        self.metrics.count(FAILURES, error=type(error).__name__)

    def has(self, what: str, really: bool) -> None:
        """Report whether the worker has something that it needs to be ready."""
        if really:
            self.lacks.discard(what)
        else:
            self.lacks.add(what)

    def dead(self) -> list[str]:
        """Why it is not alive: the loops that made no progress for half of the watchdog's limit."""
        limit = self.watchdog.seconds / 2
        return [
            f"{loop} has made no progress for {stalled} s"
            for loop, stalled in sorted(self.watchdog.stalled.items())
            if stalled >= limit
        ]

    def unready(self) -> list[str]:
        """Why it is not ready; empty if it is.

        A server that the worker did not ask because another one failed is left out.
        """
        limit = time.monotonic() - timeouts.READY_SECONDS
        failed = {server: text for server, (at, text) in self._failed.items() if at > limit}
        unanswered = [each for each in self.needs if self._answered.get(each, limit) <= limit]
        problems = [
            *self.dead(),
            *(
                f"{each} has not answered for {timeouts.READY_SECONDS:.0f} s"
                for each in unanswered
                if _was_asked(each, failed)
            ),
            *(f"without {each}" for each in sorted(self.lacks)),
        ]
        return [*problems, *(failed[each] for each in sorted(failed))] if problems or unanswered else []


@asynccontextmanager
async def serving(host: str, port: int, vitals: Vitals, metrics: Measured) -> AsyncIterator[None]:
    """Serve `/live`, `/ready` and `/metrics` while the block runs; raises PortTaken."""
    one_at_a_time = asyncio.Lock()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, TimeoutError):  # the client has gone, or sends no request
                async with asyncio.timeout(timeouts.SCRAPE_SECONDS):
                    request = await _request(reader)
                    async with one_at_a_time:
                        await _send(writer, *_answer(request, vitals, metrics), bodiless=request[0] == b"HEAD")
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, host, port, limit=LONGEST_LINE)
    except OSError as error:
        raise PortTaken(f"{host}:{port} of STANDING_METRICS_PORT cannot be listened on: {error.strerror}") from error
    async with server:
        yield


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The method and the path of a request; both empty if it is malformed."""
    try:
        words = (await reader.readline()).split()
        for _ in range(MOST_HEADERS):
            if not (await reader.readline()).strip():
                return (words[0], words[1].partition(b"?")[0]) if len(words) == 3 else _NO_REQUEST
    except ValueError:  # the line is too long
        return _NO_REQUEST
    return _NO_REQUEST


_NO_REQUEST = (b"", b"")


def _answer(request: tuple[bytes, bytes], vitals: Vitals, metrics: Measured) -> tuple[int, Iterable[bytes]]:
    match request:
        case (b"GET" | b"HEAD", b"/metrics"):
            return 200, metrics.rendered()
        case (b"GET" | b"HEAD", b"/live"):
            return _verdict(vitals.dead())
        case (b"GET" | b"HEAD", b"/ready"):
            return _verdict(vitals.unready())
        case (b"", _):
            return 400, [b"bad request; GET /live, /ready or /metrics\n"]
        case (_, b"/metrics" | b"/live" | b"/ready"):
            return 405, [b"use GET or HEAD\n"]
        case _:
            return 404, [b"not found; try /live, /ready or /metrics\n"]


def _verdict(problems: Sequence[str]) -> tuple[int, list[bytes]]:
    return (503, [f"{each}\n".encode() for each in problems]) if problems else (200, [b"ok\n"])


async def _send(writer: asyncio.StreamWriter, status: int, body: Iterable[bytes], *, bodiless: bool) -> None:
    """Send an answer piece by piece; the connection's close ends it."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {CONTENT_TYPE_PLAIN_0_0_4}"
    allow = "\r\nAllow: GET, HEAD" if status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    writer.write(f"{head}{allow}\r\nConnection: close\r\n\r\n".encode())
    for piece in () if bodiless else body:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)  # drain yields only if the buffer is full
    await writer.drain()
