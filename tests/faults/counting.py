"""Counts every call of a worker to PostgreSQL and Kafka, and kills or stops the process before or after one of them.

It wraps what all traffic passes: asyncpg's protocol object, aiokafka's client, how both connect, and librdkafka's
producer and admin client as the engine's modules import them. It changes no call and no answer.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, wraps
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import aiokafka.client
import asyncpg.connect_utils
import asyncpg.connection
import confluent_kafka.admin

from workers.kafka import admin, transactional_producer


@dataclass(frozen=True, slots=True)
class Point:
    """Just before or just after the n-th call of a name."""

    name: str
    number: int
    side: Literal["before", "after"]
    sends: signal.Signals = signal.SIGKILL
    """What the process is sent there."""

    def __str__(self) -> str:
        return f"{self.sends.name} {self.side} {self.name} #{self.number}"


@dataclass(slots=True)
class Calls:
    """The calls of this process so far; `crash` is where it ends, `log` the file that every call is written to."""

    crash: Point | None = None
    log: Path | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """One call, made within the block."""
        self.counts[name] += 1
        number = self.counts[name]
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{name}\t{number}\n")
        self._pass(name, number, "before")
        yield
        self._pass(name, number, "after")

    def _pass(self, *place: object) -> None:
        crash = self.crash
        if crash is not None and place == (crash.name, crash.number, crash.side):
            os.kill(os.getpid(), crash.sends)


class CountedProtocol:
    """asyncpg's protocol: everything that is sent to the database passes its methods."""

    def __init__(self, protocol: Any, calls: Calls) -> None:
        self._protocol = protocol
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    async def query(self, query: str, *arguments: Any) -> Any:
        with self._calls.call(f"query {named(query)}"):
            return await self._protocol.query(query, *arguments)

    async def prepare(self, name: str, query: str, *arguments: Any, **options: Any) -> Any:
        with self._calls.call(f"prepare {named(query)}"):
            return await self._protocol.prepare(name, query, *arguments, **options)

    async def bind_execute(self, state: Any, **options: Any) -> Any:
        with self._calls.call(f"execute {named(state.query)}"):
            return await self._protocol.bind_execute(state=state, **options)

    async def copy_in(self, statement: str, *arguments: Any) -> Any:
        with self._calls.call(f"copy {named(statement)}"):
            return await self._protocol.copy_in(statement, *arguments)


@cache
def statements() -> dict[str, str]:
    """The names of the engine's statements, by their text."""
    folder = files("workers.store").joinpath("sql")
    return {each.read_text(): each.name.removesuffix(".sql") for each in folder.iterdir()}


def named(query: str) -> str:
    """A statement's name, or its first words."""
    return statements().get(query) or " ".join(query.split())[:40]


def install(calls: Calls) -> None:
    """Count every call of this process from now on."""
    connection, client = asyncpg.connection.Connection, aiokafka.client.AIOKafkaClient
    made, send = connection.__init__, client.send

    @wraps(made)
    def counted_connection(self: Any, protocol: Any, *arguments: Any, **options: Any) -> None:
        made(self, cast(Any, CountedProtocol(protocol, calls)), *arguments, **options)

    @wraps(send)
    async def counted_send(self: Any, node_id: Any, request: Any, **options: Any) -> Any:
        with calls.call(f"aiokafka {type(request).__name__.split('_')[0]}"):
            return await send(self, node_id, request, **options)

    connecting: tuple[tuple[Any, str, str], ...] = (
        (asyncpg.connect_utils, "_connect", "postgres connect"),
        (aiokafka.client, "create_conn", "aiokafka connect"),
    )
    for module, name, said in connecting:
        setattr(module, name, counted_function(getattr(module, name), calls, said))
    connection.__init__ = counted_connection  # type: ignore[method-assign]
    client.send = counted_send
    producing = ("init_transactions", "begin_transaction", "produce", "poll", "commit_transaction")
    modules: tuple[Any, Any] = (transactional_producer, admin)
    modules[0].Producer = counted(confluent_kafka.Producer, calls, producing)
    modules[1].AdminClient = counted(
        confluent_kafka.admin.AdminClient, calls, ("describe_cluster", "describe_topics")
    )


def counted_function(function: Callable[..., Any], calls: Calls, name: str) -> Callable[..., Any]:
    """An asynchronous function whose calls are counted."""

    @wraps(function)
    async def call(*arguments: Any, **options: Any) -> Any:
        with calls.call(name):
            return await function(*arguments, **options)

    return call


def counted(kind: type[Any], calls: Calls, names: tuple[str, ...]) -> type[Any]:
    """A librdkafka client whose methods of those names are counted."""

    def method(name: str) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            with calls.call(f"librdkafka {name}"):
                return getattr(kind, name)(self, *arguments, **options)

        return call

    return type(kind.__name__, (kind,), {name: method(name) for name in names})
