"""What Kafka has of each shard of the decision log, and whether this database still has it.

Owns the comparison: a row that was published must be in the log with its chain hash, or the database was set
back and nothing may be written. Every shard has a checkpoint before anything is published, so one that is missing
beside published messages was lost. The guard compares a database before any connection to it is used; it writes
nothing itself.
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
from workers.kafka.security import KafkaAccess
from workers.ops.logs import Log
from workers.ops.refused import Refused
from workers.store.connections import connect_types
from workers.store.deployment import Server, server_of
from workers.store.statements import statement

log = Log()

CHECKPOINTS_TOPIC = "standing-relay-checkpoints"
_ASK_SECONDS = 0.5


class SetBack(Refused):
    """Kafka has more than the log: the database was set back; nothing may be written."""


class CheckpointLost(SetBack):
    """A checkpoint is missing or unreadable: how far the log was published is unknown, and nothing may be written."""


_RESTORE = "nothing is written. Stop all workers and run `standing relay --reconcile`"


class Moved(Exception):
    """This is another PostgreSQL than the one that was set up, and the relay did not compare it yet."""


class NotCompared(ConnectionError):
    """Kafka did not tell what was published: a connection to the database cannot be used yet."""

    server = "Kafka"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last row of a shard that Kafka has; seq 0 where it has none yet."""

    seq: int
    hash: bytes
    incarnation: UUID

    def encode(self) -> bytes:
        fields = {"seq": self.seq, "hash": self.hash.hex(), "incarnation": str(self.incarnation)}
        return json.dumps(fields).encode()

    @staticmethod
    def decode(shard: int, value: bytes) -> "Checkpoint":
        """The checkpoint that a record of the shard holds; raises CheckpointLost where it is none."""
        try:
            fields = json.loads(value)
            checkpoint = Checkpoint(int(fields["seq"]), bytes.fromhex(fields["hash"]), UUID(fields["incarnation"]))
            if checkpoint.seq < 0:
                raise ValueError(f"its number is {checkpoint.seq}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointLost(
                f"shard {shard}: the newest record of {CHECKPOINTS_TOPIC}/{shard} is no checkpoint of a relay "
                f"({error!r}): {_RESTORE}"
            ) from error
        return checkpoint

    def compare(self, shard: int, incarnation: UUID, logged: bytes | None) -> None:
        """Raise SetBack where the log has not the row that Kafka has; `logged` is the hash it has there."""
        if self.seq == 0:
            return
        if self.incarnation != incarnation:
            raise SetBack(
                f"shard {shard}: Kafka's checkpoint is of another deployment ({self.incarnation}), not of "
                f"{incarnation}: the database was made again, or the topic prefix is taken; nothing is written. If "
                "what was published is this deployment's own, stop all workers and run `standing relay --reconcile`"
            )
        if logged != self.hash:
            raise SetBack(
                f"shard {shard}: row {self.seq}, which was published, is not in the log as it was: the database "
                f"was set back to an older state; {_RESTORE}"
            )


async def read_checkpoints(kafka: KafkaAccess, prefix: str, shards: Sequence[int]) -> dict[int, Checkpoint]:
    """The checkpoints that a read_committed reader sees; raises TopicMissing, or CheckpointLost where one is none."""
    topic = prefix + CHECKPOINTS_TOPIC
    if topic not in await Admin(kafka).describe([topic]):
        raise TopicMissing(f"the topic {topic} does not exist")
    found = await asyncio.gather(*(last_record(kafka, topic, shard) for shard in shards))
    return {
        shard: Checkpoint.decode(shard, record.value)
        for shard, record in zip(shards, found, strict=True)
        if record is not None and record.value is not None
    }


async def published_seqs(kafka: KafkaAccess, prefix: str, shards: Sequence[int]) -> dict[int, int]:
    """The last seq of each shard that a read_committed reader can see; raises as `read_checkpoints`."""
    found = await read_checkpoints(kafka, prefix, shards)
    return {shard: checkpoint.seq for shard, checkpoint in found.items()}


async def holding(kafka: KafkaAccess, topics: Sequence[str]) -> list[str]:
    """Those of the topics in which a read_committed reader finds anything."""
    admin = Admin(kafka)
    states = await admin.describe(topics)
    ends = await admin.end_offsets(
        [(topic, number) for topic in states for number in range(states[topic].partitions)]
    )
    found = []
    for topic in states:
        for place, end in ends.items():
            if place[0] == topic and end and await last_record(kafka, *place) is not None:
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


async def check_unpublished(kafka: KafkaAccess, prefix: str) -> None:
    """Where the topic of the checkpoints is missing: raise CheckpointLost if anything was published."""
    if await holding(kafka, [prefix + topic for topic in OUTPUT_TOPICS]):
        raise CheckpointLost(
            f"the topic {prefix}{CHECKPOINTS_TOPIC} does not exist, though messages were published: {_RESTORE}"
        )


async def compare_published(kafka: KafkaAccess, prefix: str, connection: Any) -> None:
    """Compare what was published with the log; raises SetBack, CheckpointLost or TopicMissing."""
    ends = dict(await connection.fetch(statement("shard_ends")))
    try:
        checkpoints = await read_checkpoints(kafka, prefix, list(ends))
        await compare_checkpoints(connection, checkpoints)
        if not ends.keys() - checkpoints.keys() or not await holding(
            kafka, [prefix + topic for topic in OUTPUT_TOPICS]
        ):
            return
        checkpoints = await read_checkpoints(
            kafka, prefix, list(ends)
        )  # each was written before anything was published
    except TopicMissing:
        await check_unpublished(kafka, prefix)
        raise
    begun = any(checkpoint.seq for checkpoint in checkpoints.values())
    for shard in sorted(ends.keys() - checkpoints.keys()):
        if ends[shard] or not begun:
            raise CheckpointLost(
                f"shard {shard}: {CHECKPOINTS_TOPIC}/{shard} has no checkpoint, "
                f"though messages were published: {_RESTORE}"
            )


@dataclass(slots=True)
class Guard:
    """Lets a process use only a database that was compared; a pool asks it about each new connection.

    A server that was restarted, restored or failed over, and a database that was put in another's place, are
    known by their `Server` being another one.
    """

    kafka: KafkaAccess
    prefix: str
    moved: bool = False
    """Whether the server is not the one that was set up. Every checkpoint was found in its log, but while the former
    relay was not fenced it may have published more.
    """
    _admitted: Server | None = field(default=None, init=False)

    async def connected(self, connection: Any) -> None:
        """What a pool does with each new connection."""
        await connect_types(connection)
        if self._admitted is None or await server_of(connection) == self._admitted:
            return
        log.warning("another database answers; it is compared with what was published")
        await self.compare(connection)
        if self.moved:
            raise Moved(_MOVED)

    async def compare(self, connection: Any, *, even_moved: bool = False) -> None:
        """Compare the database with the checkpoints; raises SetBack, or NotCompared where Kafka does not answer.

        The server is admitted unless it moved; `even_moved` is for who adopts it, or only looks.
        """
        server = await server_of(connection)
        try:
            await compare_published(self.kafka, self.prefix, connection)
        except (NoAnswer, KafkaUnreachable, KafkaException) as error:
            raise NotCompared(f"what was published cannot be compared: {error}") from error
        row = await connection.fetchrow(statement("known_server"))
        self.moved = tuple(row) != (server.system_identifier, server.timeline)
        if even_moved or not self.moved:
            self._admitted = server

    async def wait_for_relay(self, connection: Any) -> None:
        """Wait until the relay adopted the server; raises Moved where it does not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeouts.ADOPTION_SECONDS
        while self.moved:
            log.warning("waiting for the relay: another PostgreSQL answers than the one that was set up")
            if loop.time() > deadline:
                raise Moved(_MOVED)
            await asyncio.sleep(_ASK_SECONDS)  # whoever adopts it tells nobody
            await self.compare(connection)


_MOVED = (
    "this is another PostgreSQL than the one that was set up: it was restored or failed over. What was published is "
    "in its log; nothing is written until a relay has fenced the former one and adopted the server"
)
