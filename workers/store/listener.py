"""Waiting for commits of other processes: PostgreSQL's LISTEN, with a time limit as a fallback.

A notification is only a hint: the waiter reads the tables afterwards.
"""

import asyncio
from typing import Any

import asyncpg

from workers.store.postgres import ConnectionLost, acquire


class Bell:
    """Wakes one waiter at a notification on its channel since its last wait."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self.heard = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, as a notification does."""
        self.heard.set()

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        """Return at a notification since the last wait, at `stop`, or after `seconds`; true for a notification."""
        await self._listener.connect()
        waits = [asyncio.ensure_future(each.wait()) for each in (self.heard, stop)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        heard = self.heard.is_set()
        self.heard.clear()
        return heard


class Listener:
    """One connection that listens to one channel; a lost connection is opened again."""

    def __init__(self, pool: asyncpg.Pool, channel: str) -> None:
        self._pool = pool
        self._channel = channel
        self._connection: Any = None
        self._bells: list[Bell] = []
        self._connecting = asyncio.Lock()

    def bell(self) -> Bell:
        """A bell for one waiter; each waiter needs its own."""
        bell = Bell(self)
        self._bells.append(bell)
        return bell

    async def connect(self) -> None:
        """Open the connection and listen, unless it is open."""
        async with self._connecting:
            if self._connection is not None:
                return
            connection = await acquire(self._pool)
            try:
                await connection.add_listener(self._channel, self._ring)
            except BaseException as error:
                await self._pool.release(connection)
                if isinstance(error, asyncpg.InterfaceError):  # the connection is closed
                    raise ConnectionLost(str(error)) from error
                raise
            connection.add_termination_listener(self._lose)
            self._connection = connection

    def _ring(self, *_: object) -> None:
        for bell in self._bells:
            bell.ring()

    def _lose(self, *_: object) -> None:
        """Forget the connection, which ended. The pool owns it again: any use of it raises."""
        self._connection = None
        self._ring()  # a notification may have been missed

    async def close(self) -> None:
        """Stop listening by ending the session; a lost session could not process an UNLISTEN."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove_termination_listener(self._lose)
            connection.terminate()
            await self._pool.release(connection)
