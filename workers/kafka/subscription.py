"""FastStream's broker as the intake uses it: one subscriber for all input topics, with every option that matters.

Owns the options. Left to its defaults FastStream would lose data: docs/architecture.md says where.
"""

from collections.abc import Callable, Sequence
from typing import Any

from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from workers import timeouts
from workers.kafka.fetched_records import pass_through, raw
from workers.kafka.positioned_consumer import Listener
from workers.kafka.security import KafkaAccess

POLL_MILLISECONDS = 10


def subscribed(
    kafka: KafkaAccess,
    topics: Sequence[str],
    group: str,
    instance_id: str,
    batch_size: int,
    listener: Listener,
    on_batch: Callable[..., Any],
) -> KafkaBroker:
    """A broker that gives what it reads to `on_batch`; not started yet."""
    broker = KafkaBroker(
        kafka.bootstrap,
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        request_timeout_ms=int(timeouts.REQUEST_SECONDS * 1000),
        logger=None,  # what happens is logged by the intake, once
        graceful_timeout=timeouts.LEAVE_SECONDS,
    )
    broker.subscriber(
        *topics,
        batch=True,
        batch_timeout_ms=POLL_MILLISECONDS,
        max_records=batch_size,
        group_id=group,
        group_instance_id=instance_id,
        auto_offset_reset="none",
        isolation_level="read_committed",
        ack_policy=AckPolicy.MANUAL,
        session_timeout_ms=timeouts.SESSION_SECONDS * 1000,
        heartbeat_interval_ms=timeouts.HEARTBEAT_SECONDS * 1000,
        max_poll_interval_ms=timeouts.POLL_SECONDS * 1000,
        fetch_max_wait_ms=50,  # a partition that goes on after a rest waits so long for the fetch under way
        max_partition_fetch_bytes=2 * 1024 * 1024,
        listener=listener,
        parser=pass_through,
        decoder=raw,
    )(on_batch)
    return broker
