"""Sends everything that goes into the input topics during a soak, and counts it.

A record that Kafka does not acknowledge in time is a violation and ends the soak, which could prove nothing more.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

DELIVERY_SECONDS = 120.0
GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Input:
    """One record; `topic` is without the prefix, and the key chooses the partition where none is given."""

    topic: str
    key: bytes | str | None
    value: bytes | None
    partition: int = -1


class Sender:
    """Sends records; `sent` counts those that Kafka acknowledged, `refused` the others."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        violations: list[str],
        stop: asyncio.Event,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        self.sent = self.refused = 0
        self._prefix, self._violations, self._stop = prefix, violations, stop
        self._delivery_seconds = delivery_seconds
        self._first_refusal = ""
        self._one = asyncio.Lock()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "on_delivery": self._delivered,
                "enable.idempotence": True,  # a record whose acknowledgement got lost is in its topic once
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.timeout.ms": round(delivery_seconds * 1000),
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )

    async def send(self, records: Iterable[Input]) -> bool:
        """Send records and wait until all are acknowledged, before anybody else's; False ends the soak."""
        async with self._one:
            await asyncio.to_thread(self._send, records)
        if not self.refused:
            return True
        if not self._stop.is_set():
            self._violations.append(f"Kafka did not take {self.refused} records, the first of {self._first_refusal}")
        self._stop.set()
        return False

    def _send(self, records: Iterable[Input]) -> None:
        for each in records:
            self._producer.produce(self._prefix + each.topic, each.value, each.key, each.partition)
        if left := self._producer.flush(self._delivery_seconds + GRACE_SECONDS):
            self._refuse(left, "which nothing was heard")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.sent += 1
        else:
            self._refuse(1, f"{message.topic()}: {error.str()}")

    def _refuse(self, number: int, why: str) -> None:
        self.refused += number
        self._first_refusal = self._first_refusal or why

    def compare(self, found: int) -> Sequence[str]:
        """What is wrong where so many records are in the topics; one that was refused may be there or not."""
        if found < self.sent:
            return [f"the topics lack {self.sent - found} records that were taken"]
        if found > self.sent + self.refused:
            return [f"the topics hold {found - self.sent - self.refused} records that were not sent"]
        return []
