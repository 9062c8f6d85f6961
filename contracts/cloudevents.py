"""CloudEvents 1.0 in binary content mode over Kafka: the headers of every message that is published."""

from uuid import UUID, uuid5


def ce_id(incarnation: UUID, shard: int, seq: int) -> UUID:
    """The id of the message of one row of the decision log; the same when it is ever sent again."""
    return uuid5(incarnation, f"{shard}/{seq}")
