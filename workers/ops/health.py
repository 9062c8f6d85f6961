"""What one worker says of itself over HTTP: whether it lives, whether it is ready, and its metrics.

Owns the signs of life that the worker's loops give, and a server for them on the worker's own event loop, so that
an answer is a sign of life as well. It must not hold up that loop: an answer is rendered in small pieces, one at
a time. The invariant: nothing here asks a server anything, so a storm of scrapes is nothing to the database.
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

Server = Literal["database", "kafka"]
_NAMES: dict[Server, str] = {"database": "PostgreSQL", "kafka": "Kafka"}


class PortTaken(Exception):
    """Somebody else listens where the worker's health was to be served."""


def asked(server: Server, failed: Collection[str]) -> bool:
    """Whether a server was asked for all that is known: no other failed lately, or it did itself."""
    return not failed or _NAMES[server] in failed


@dataclass(slots=True)
class Vitals:
    """The signs of life of one worker; its loops give them, at no cost where nobody asks."""

    needs: tuple[Server, ...] = ()
    """The servers without which it is not ready."""
    metrics: Metrics = field(default_factory=Unmeasured)
    watchdog: Watchdog = field(default_factory=lambda: Watchdog("", timeouts.WATCHDOG_SECONDS))
    lacks: set[str] = field(default_factory=set)
    """What else it must have to be ready, and has not."""
    _answered: dict[str, float] = field(default_factory=dict)
    _failed: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When a server last failed, and how, by the name that the error gives."""

    def turned(self, loop: str) -> None:
        """A loop of the worker turned over."""
        self.watchdog.turned(loop)

    def answered(self, *servers: Server) -> None:
        """These servers did what the worker asked of them."""
        now = time.monotonic()
        for each in servers:
            self._answered[each] = now

    def failed(self, error: Exception) -> None:
        """Something failed and will be tried again."""
        if server := server_of(error):
            self._failed[server] = (time.monotonic(), named(error))
        self.metrics.count(FAILURES, error=type(error).__name__)

    def has(self, what: str, really: bool) -> None:
        """Whether the worker has what it needs to be ready."""
        if really:
            self.lacks.discard(what)
        else:
            self.lacks.add(what)

    def dead(self) -> list[str]:
        """Why it does not live: the loops that hang, for half the time after which the watchdog ends it."""
        limit = self.watchdog.seconds / 2
        return [
            f"{loop} has not turned over for {silent} s"
            for loop, silent in sorted(self.watchdog.silent.items())
            if silent >= limit
        ]

    def unready(self) -> list[str]:
        """Why it is not ready; nothing where it is. Of a server that was not asked because another failed, only the
        other is named.
        """
        limit = time.monotonic() - timeouts.READY_SECONDS
        failed = {server: text for server, (at, text) in self._failed.items() if at > limit}
        silent = [each for each in self.needs if self._answered.get(each, limit) <= limit]
        problems = [
            *self.dead(),
            *(
                f"{each} has not answered for {timeouts.READY_SECONDS:.0f} s"
                for each in silent
                if asked(each, failed)
            ),
            *(f"without {each}" for each in sorted(self.lacks)),
        ]
        return [*problems, *(failed[each] for each in sorted(failed))] if problems or silent else []


@asynccontextmanager
async def serving(host: str, port: int, vitals: Vitals, metrics: Measured) -> AsyncIterator[None]:
    """Serve `/live`, `/ready` and `/metrics` while the block runs; raises PortTaken."""
    one_at_a_time = asyncio.Lock()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, TimeoutError):  # whoever asked has gone, or asks nothing
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
    """The method and the path that are asked for; both empty for what is no request."""
    try:
        words = (await reader.readline()).split()
        for _ in range(MOST_HEADERS):
            if not (await reader.readline()).strip():
                return (words[0], words[1].partition(b"?")[0]) if len(words) == 3 else _NO_REQUEST
    except ValueError:  # a line that is too long
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
            return 400, [b"GET /live, /ready or /metrics\n"]
        case (_, b"/metrics" | b"/live" | b"/ready"):
            return 405, [b"GET or HEAD it\n"]
        case _:
            return 404, [b"/live, /ready and /metrics are here\n"]


def _verdict(problems: Sequence[str]) -> tuple[int, list[bytes]]:
    return (503, [f"{each}\n".encode() for each in problems]) if problems else (200, [b"ok\n"])


async def _send(writer: asyncio.StreamWriter, status: int, body: Iterable[bytes], *, bodiless: bool) -> None:
    """Send an answer piece by piece; the end of the connection is the end of it."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {CONTENT_TYPE_PLAIN_0_0_4}"
    allow = "\r\nAllow: GET, HEAD" if status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    writer.write(f"{head}{allow}\r\nConnection: close\r\n\r\n".encode())
    for piece in () if bodiless else body:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)  # drain gives way only where the buffer is full
    await writer.drain()
