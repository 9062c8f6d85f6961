"""Waiting for what another process committed: PostgreSQL's LISTEN, with a time limit to fall back on.

A notification is a hint, never the truth: whoever waits looks at the tables again.
"""

import asyncio
from typing import Any

import asyncpg

from workers.store.postgres import ConnectionLost, acquire


class Bell:
    """One waiter's ear: rings at each notification on its channel since it last waited."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self.heard = asyncio.Event()

    def ring(self) -> None:
        """Let the waiter look again, as a notification does."""
        self.heard.set()

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        """Return at a notification since the last wait, at `stop`, or after `seconds`; whether there was one."""
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
    """One connection that listens to one channel; opened anew where it was lost."""

    def __init__(self, pool: asyncpg.Pool, channel: str) -> None:
        self._pool = pool
        self._channel = channel
        self._connection: Any = None
        self._bells: list[Bell] = []
        self._connecting = asyncio.Lock()

    def bell(self) -> Bell:
        """An ear for one waiter; two waiters need one each."""
        bell = Bell(self)
        self._bells.append(bell)
        return bell

    async def connect(self) -> None:
        """Listen, if the connection is not there."""
        async with self._connecting:
            if self._connection is not None:
                return
            connection = await acquire(self._pool)
            try:
                await connection.add_listener(self._channel, self._hear)
            except BaseException as error:
                await self._pool.release(connection)
                if isinstance(error, asyncpg.InterfaceError):  # how asyncpg calls the use of a closed connection
                    raise ConnectionLost(str(error)) from error
                raise
            connection.add_termination_listener(self._lose)
            self._connection = connection

    def _hear(self, *_: object) -> None:
        for bell in self._bells:
            bell.ring()

    def _lose(self, *_: object) -> None:
        """The connection ended. The pool has taken it back: even to ask whether it is closed is an error now."""
        self._connection = None
        self._hear()  # what was said since then nobody heard

    async def close(self) -> None:
        """Stop listening, by ending the session: it may be lost just now, and then could not be asked to."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove_termination_listener(self._lose)
            connection.terminate()
            await self._pool.release(connection)
