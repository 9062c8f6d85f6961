"""A TCP proxy on loopback that cuts, tears, stalls or drops what goes through it, as a test says.

It knows nothing of what the bytes mean. A fault is a property of the proxy, which the test sets and resets.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

Direction = Literal["asked", "answered"]
CHUNK = 64 * 1024


def never(_: bytes) -> bool:
    """No chunk is cut."""
    return False


def nowhere(_: bytes) -> int | None:
    """No chunk is torn."""
    return None


@dataclass
class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target`; `given` is the port, 0 for a free one.

    `cut_at` is called with every chunk of a client before it is passed on; True cuts the connection, so the request
    never arrives. `cut_after` is called likewise, and cuts once the server has answered, so the answer never arrives.
    `tear_at` returns after how many bytes of a chunk the connection ends, or None.
    """

    target: int
    given: int = 0
    cut_at: Callable[[bytes], bool] = never
    cut_after: Callable[[bytes], bool] = never
    tear_at: Callable[[bytes], int | None] = nowhere
    cuts: int = 0
    lost: int = 0
    """Bytes."""
    _dropped: Direction | None = None
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> "Proxy":
        self._flowing.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.given)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where the proxy listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def reset(self) -> None:
        """An ordinary network again."""
        self.cut_at = self.cut_after = never
        self.tear_at = nowhere
        self.cuts = self.lost = 0

    def cut_all(self) -> None:
        """End every connection now."""
        for each in self._connections:
            each.cancel()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Let nothing through while the block runs, with every connection kept open."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @contextmanager
    def dropping(self, direction: Direction) -> Iterator[None]:
        """Lose what is sent in one direction while the block runs, with every connection kept open.

        A connection that lost anything loses all that follows, also after the block: a stream has no holes.
        """
        self._dropped = direction
        try:
            yield
        finally:
            self._dropped = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(OSError, asyncio.CancelledError):  # a cut connection is what this is for
            await self._forward(reader, writer)
        self._connections.discard(task)
        writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        doomed = asyncio.Event()
        pumps = [
            asyncio.create_task(self._asked(reader, server_writer, doomed)),
            asyncio.create_task(self._answered(server_reader, writer, doomed)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server_writer.transport.abort()  # first: a second cut may end what is awaited here
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        async for chunk in self._arriving("asked", reader):
            if self.cut_at(chunk):
                self.cuts += 1
                return
            if (place := self.tear_at(chunk)) is not None:
                self.cuts += 1
                writer.write(chunk[:place])
                writer.close()  # after these bytes, where an abort might overtake them
                await writer.wait_closed()
                return
            if self.cut_after(chunk):
                self.cuts += 1
                doomed.set()
            writer.write(chunk)
            await writer.drain()

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        async for chunk in self._arriving("answered", reader):
            if doomed.is_set():
                return
            writer.write(chunk)
            await writer.drain()

    async def _arriving(self, direction: Direction, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """What is to be passed on in one direction, while there is anything."""
        lost = False
        while chunk := await reader.read(CHUNK):
            await self._flowing.wait()
            lost = lost or self._dropped == direction
            if lost:
                self.lost += len(chunk)
            else:
                yield chunk
