"""`standing dead-letters redrive`: sends dead letters back to their input topics, as they were read.

Owns the choice of letters, and that each is sent once: the database transaction that marks a letter encloses the
Kafka transaction that sends it. After a crash between the two commits the letter is not marked and can be sent again,
which is harmless: a fact that was read before changes nothing.
"""

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from workers.commands.explain import NotFound
from workers.kafka.transactional_producer import Outgoing, TransactionalProducer
from workers.ops.clock import WallClock
from workers.rules.calendar import Instant
from workers.store.postgres import acquired
from workers.store.statements import statement
from workers.wiring import Database, Kafka

ORIGIN = "standing-redriven-from"
"""The header of a redriven record that names the dead letter: topic/partition/offset."""
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters to send: those at places, or all that match and were not sent back before."""

    places: Sequence[str] = ()
    reasons: Sequence[str] = ()
    topics: Sequence[str] = ()
    since: Instant | None = None

    def fits(self, letter: dict[str, Any]) -> bool:
        """Whether a letter has one of the reasons and topics, where any are given."""
        of_reason = not self.reasons or letter["reason"] in self.reasons
        return of_reason and (not self.topics or letter["topic"] in self.topics)


@dataclass(slots=True)
class Redriven:
    """What was done."""

    sent: int = 0
    already: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def redrive(database: Database, kafka: Kafka, selection: Selection) -> Redriven:
    """Send dead letters back to their topics; raises NotFound where a place has no dead letter."""
    done = Redriven()
    producer = TransactionalProducer(kafka.access, f"{kafka.prefix}standing-redrive")
    chunk: dict[str, Outgoing] = {}
    try:
        await producer.open()
        async with aclosing(_letters(database, selection)) as letters:
            async for place, letter, redriven_at in letters:
                if redriven_at is not None:
                    done.already.append(place)
                elif (why := _not_kept(letter)) is not None:
                    done.refused.append(f"{place}: {why}; its producer must send it again")
                else:
                    chunk[place] = outgoing(letter, kafka.prefix)
                if len(chunk) == CHUNK:
                    await _send(database, producer, chunk, done)
                    chunk = {}
        await _send(database, producer, chunk, done)
    finally:
        await producer.close()
    return done


def _not_kept(letter: dict[str, Any]) -> str | None:
    """What a record lacks that was not kept whole; None for a whole one."""
    if not isinstance(letter["value"], str | None):
        return f"only the SHA-256 and the first KiB of its {letter['value']['length']} bytes were kept"
    if "key_length" in letter:
        return f"only the first 64 KiB of its key of {letter['key_length']} bytes were kept"
    if "headers_left_out" in letter:
        return f"{letter['headers_left_out']} of its headers were not kept"
    return None


async def _letters(
    database: Database, selection: Selection
) -> AsyncGenerator[tuple[str, dict[str, Any], Instant | None]]:
    """The letters to send: place, content, and when each was sent back before."""
    if selection.places:
        rows = await database.pool.fetch(statement("letters_at"), list(selection.places))
        missing = set(selection.places) - {row["subject"] for row in rows}
        if missing:
            named = ", ".join(sorted(missing))
            raise NotFound(f"no dead letter at {named}: a place takes the form TOPIC/PARTITION/OFFSET")
        for row in rows:
            yield row["subject"], json.loads(row["letter"]), row["redriven_at"]
        return
    async with acquired(database.pool) as connection, connection.transaction(readonly=True):
        async for row in connection.cursor(statement("letters_since"), selection.since, prefetch=CHUNK):
            letter = json.loads(row["letter"])
            if row["redriven_at"] is None and selection.fits(letter):
                yield row["subject"], letter, None


async def _send(
    database: Database, producer: TransactionalProducer, chunk: dict[str, Outgoing], done: Redriven
) -> None:
    """Mark and send one chunk, without the letters that another redrive marked meanwhile."""
    if not chunk:
        return
    now = WallClock().wall()
    async with acquired(database.pool) as connection, connection.transaction():
        marked = {row[0] for row in await connection.fetch(statement("mark_redriven"), sorted(chunk), now)}
        if marked:
            await producer.publish([message for place, message in chunk.items() if place in marked])
    done.sent += len(marked)
    done.already += [place for place in chunk if place not in marked]


def outgoing(letter: dict[str, Any], prefix: str) -> Outgoing:
    """The record of a dead letter, for the partition it was read from, with its origin in a header."""
    place = f"{letter['topic']}/{letter['partition']}/{letter['offset']}"
    headers = [
        (each["name"], None if each["value"] is None else base64.b64decode(each["value"]))
        for each in letter["headers"]
        if each["name"] != ORIGIN
    ]
    return Outgoing(
        prefix + letter["topic"],
        None if letter["key"] is None else base64.b64decode(letter["key"]),
        [*headers, (ORIGIN, place.encode())],
        None if letter["value"] is None else base64.b64decode(letter["value"]),
        letter["partition"],
    )
