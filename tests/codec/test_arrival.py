"""A record's own timestamp says how far its partition is complete; a producer may write any number there."""

import json
from dataclasses import dataclass

import pytest

from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder, Read, keep_before, read_of
from workers.rules.calendar import SECOND

MESSAGES = {
    "order-status": {"order_id": "o", "status": "awaiting_shipment"},
    "complaints": {
        "case_id": "k",
        "source": "platform_inspection",
        "category": "late_shipment",
        "outcome": "opened",
    },
    "seller-accounts": {"status": "closed"},
}
NOW = 20_000 * 86_400 * SECOND
BEFORE_ALL_TIME = -300_000_000_000_000
"""Milliseconds; PostgreSQL knows no such instant."""


@dataclass
class Sent:
    """A record of a topic, with a timestamp in milliseconds."""

    topic: str
    timestamp: int
    offset: int = 0
    partition: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def value(self) -> bytes:
        common = {"event_id": f"e{self.offset}", "account_id": "a", "occurred_at": "2016-03-01T00:00:00Z"}
        return json.dumps(common | MESSAGES[self.topic]).encode()


@pytest.mark.parametrize("topic", MESSAGES)
@pytest.mark.parametrize(
    ("timestamp", "instant"), [(1_456_790_400_123, 1_456_790_400_123_000), (-1, 0), (BEFORE_ALL_TIME, 0)]
)
def test_a_timestamp_before_1970_is_ignored(topic: str, timestamp: int, instant: int) -> None:
    decoder, said = Decoder(policies_of(SAMPLE.read_text()), 1 << 20), Batch()
    read = decoder.decode(topic, [Sent(topic, timestamp), Sent(topic, timestamp, 1)], said, NOW)
    assert not said.rejected
    assert read.stamp == instant
    if topic != "order-status":
        keep_before(said, 1)
        assert read_of(said) == Read(read.latest, instant)
