"""The relay's checkpoints, and whether the database still has the rows that they name.

A published row must be in the log with its chain hash; otherwise the database was set back, and the engine writes
nothing. Every shard has a checkpoint before anything is published, so a checkpoint that is missing although messages
were published was lost. The guard compares a database before any of its connections is used.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaException

from contracts.topics import OUTPUT_TOPICS
from workers import timeouts
from workers.kafka.admin import Admin, KafkaUnreachable, TopicMissing
from workers.kafka.last_record import NoAnswer, last_record
from workers.ops.logs import Log
from workers.ops.refused import Refused
from workers.store.connections import connect_types
from workers.store.deployment import Server, connected_server
from workers.store.statements import statement

log = Log()

CHECKPOINTS_TOPIC = "standing-relay-checkpoints"
_ASK_SECONDS = 0.5


class SetBack(Refused):
    """The log lacks a published row: the database was set back, and nothing may be written."""


class CheckpointLost(SetBack):
    """A checkpoint is missing or unreadable: how far the log was published is unknown, and nothing may be written."""


_RESTORE = "nothing is written. Stop all workers and run `standing relay --reconcile`"


class Moved(Exception):
    """The PostgreSQL server is not the one that was set up, and the relay has not compared it yet."""


class NotCompared(ConnectionError):
    """Kafka did not answer what was published, so a connection to the database cannot be used yet."""

    server = "Kafka"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last published row of a shard; seq is 0 before the first."""

    seq: int
    hash: bytes
    incarnation: UUID

    def encode(self) -> bytes:
        fields = {"seq": self.seq, "hash": self.hash.hex(), "incarnation": str(self.incarnation)}
        return json.dumps(fields).encode()

    @staticmethod
    def decode(shard: int, value: bytes) -> "Checkpoint":
        """Parse the checkpoint in a record of the shard; raises CheckpointLost if it is none."""
        try:
            fields = json.loads(value)
            checkpoint = Checkpoint(int(fields["seq"]), bytes.fromhex(fields["hash"]), UUID(fields["incarnation"]))
            if checkpoint.seq < 0:
                raise ValueError(f"seq is {checkpoint.seq}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointLost(
                f"shard {shard}: the newest record of {CHECKPOINTS_TOPIC}/{shard} is not a checkpoint of a relay "
                f"({error!r}); {_RESTORE}"
            ) from error
        return checkpoint

    def compare(self, shard: int, incarnation: UUID, logged: bytes | None) -> None:
        """Raise SetBack unless the log has the published row; `logged` is the row's hash in the log."""
        if self.seq == 0:
            return
        if self.incarnation != incarnation:
            raise SetBack(
                f"shard {shard}: Kafka's checkpoint is of another deployment ({self.incarnation}), not of "
                f"{incarnation}: the database was recreated, or the topic prefix is in use; nothing is written. If "
                "the published messages are this deployment's, stop all workers and run `standing relay --reconcile`"
            )
        if logged != self.hash:
            raise SetBack(
                f"shard {shard}: row {self.seq} was published, but the log does not contain it: the database was "
                f"set back to an older state; {_RESTORE}"
            )


def published_seq(shard: int, value: bytes | None) -> int:
    """The last published seq of a shard by the value of its newest checkpoint record; raises CheckpointLost."""
    return 0 if value is None else Checkpoint.decode(shard, value).seq


async def read_checkpoints(admin: Admin, prefix: str, shards: Sequence[int]) -> dict[int, Checkpoint]:
    """The checkpoints that a read_committed consumer sees; raises TopicMissing or CheckpointLost."""
    topic = prefix + CHECKPOINTS_TOPIC
    if topic not in await admin.describe([topic]):
        raise TopicMissing(f"the topic {topic} does not exist")
    found = await asyncio.gather(*(last_record(admin, topic, shard) for shard in shards))
    return {
        shard: Checkpoint.decode(shard, record.value)
        for shard, record in zip(shards, found, strict=True)
        if record is not None and record.value is not None
    }


async def published_seqs(admin: Admin, prefix: str, shards: Sequence[int]) -> dict[int, int]:
    """The last seq of each shard that a read_committed consumer sees; raises what `read_checkpoints` raises."""
    found = await read_checkpoints(admin, prefix, shards)
    return {shard: checkpoint.seq for shard, checkpoint in found.items()}


async def not_empty(admin: Admin, topics: Sequence[str]) -> list[str]:
    """The topics in which a read_committed consumer finds a record."""
    states = await admin.describe(topics)
    ends = await admin.end_offsets(
        [(topic, number) for topic in states for number in range(states[topic].partitions)]
    )
    found = []
    for topic in states:
        for place, end in ends.items():
            if place[0] == topic and end and await last_record(admin, *place) is not None:
                found.append(topic)
                break
    return found


async def compare_checkpoints(connection: Any, checkpoints: Mapping[int, Checkpoint]) -> None:
    """Compare every checkpoint with the log of the database; raises SetBack."""
    incarnation = await connection.fetchval(statement("incarnation"))
    for shard, checkpoint in checkpoints.items():
        checkpoint.compare(
            shard, incarnation, await connection.fetchval(statement("log_row_hash"), shard, checkpoint.seq)
        )


async def check_unpublished(admin: Admin, prefix: str) -> None:
    """Raise CheckpointLost if messages were published although the topic of the checkpoints is missing."""
    if await not_empty(admin, [prefix + topic for topic in OUTPUT_TOPICS]):
        raise CheckpointLost(
            f"the topic {prefix}{CHECKPOINTS_TOPIC} does not exist, but messages were published; {_RESTORE}"
        )


async def compare_published(admin: Admin, prefix: str, connection: Any) -> None:
    """Compare what was published with the log; raises SetBack, CheckpointLost or TopicMissing."""
    ends = dict(await connection.fetch(statement("shard_ends")))
    try:
        checkpoints = await read_checkpoints(admin, prefix, list(ends))
        await compare_checkpoints(connection, checkpoints)
        outputs = [prefix + topic for topic in OUTPUT_TOPICS]
        if not ends.keys() - checkpoints.keys() or not await not_empty(admin, outputs):
            return
        # A relay that started meanwhile wrote all checkpoints before it published.
        checkpoints = await read_checkpoints(admin, prefix, list(ends))
    except TopicMissing:
        await check_unpublished(admin, prefix)
        raise
    begun = any(checkpoint.seq for checkpoint in checkpoints.values())
    for shard in sorted(ends.keys() - checkpoints.keys()):
        if ends[shard] or not begun:
            raise CheckpointLost(
                f"shard {shard}: {CHECKPOINTS_TOPIC}/{shard} has no checkpoint, but messages were published; "
                f"{_RESTORE}"
            )


@dataclass(slots=True)
class Guard:
    """Lets a process use only a database that was compared; a pool calls it for each new connection.

    A restart, a restore, a failover or a replaced database changes the connection's `Server`.
    """

    admin: Admin
    prefix: str
    moved: bool = False
    """Whether the server is not the one that was set up. Its log contains every checkpoint, but the former relay may
    publish more until it is fenced.
    """
    _admitted: Server | None = field(default=None, init=False)

    async def connected(self, connection: Any) -> None:
        """Prepare a new connection of a pool; raises what `compare` raises, or Moved."""
        await connect_types(connection)
        if self._admitted is None or await connected_server(connection) == self._admitted:
            return
        log.warning("another database server answers; comparing it with what was published")
        await self.compare(connection)
        if self.moved:
            raise Moved(_MOVED)

    async def compare(self, connection: Any, *, even_moved: bool = False) -> None:
        """Compare the database with the checkpoints; raises SetBack, or NotCompared if Kafka does not answer.

        Later connections to this server are admitted unless it moved; the relay, which adopts the server, and readers
        pass `even_moved`.
        """
        server = await connected_server(connection)
        try:
            await compare_published(self.admin, self.prefix, connection)
        except (NoAnswer, KafkaUnreachable, KafkaException) as error:
            raise NotCompared(f"what was published cannot be compared: {error}") from error
        row = await connection.fetchrow(statement("known_server"))
        self.moved = tuple(row) != (server.system_identifier, server.timeline)
        if even_moved or not self.moved:
            self._admitted = server

    async def wait_for_relay(self, connection: Any) -> None:
        """Wait until the relay has adopted the server; raises Moved if it does not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeouts.ADOPTION_SECONDS
        while self.moved:
            log.warning("waiting for the relay: the PostgreSQL server is not the one that was set up")
            if loop.time() > deadline:
                raise Moved(_MOVED)
            await asyncio.sleep(_ASK_SECONDS)  # the adoption sends no notification
            await self.compare(connection)


_MOVED = (
    "this PostgreSQL server is not the one that was set up: it was restored or failed over. Its log contains what "
    "was published; nothing is written until a relay has fenced the former relay and adopted the server"
)
