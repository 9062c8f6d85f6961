"""Fine points of the codec that a small slip would miss; each has its patch in `tests/mutants`."""

import json
import uuid
from dataclasses import dataclass

from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder, keep_before
from workers.codec.messages import ce_id


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of `complaints`: a case, or nothing that can be read."""

    offset: int
    good: bool
    topic: str = "complaints"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def value(self) -> bytes:
        case = {"event_id": f"e{self.offset}", "case_id": "k", "account_id": f"a{self.offset % 2}"}
        rest = {"source": "platform_inspection", "category": "late_shipment", "outcome": "opened"}
        return json.dumps(case | rest | {"occurred_at": "2016-03-01T00:00:00Z"}).encode() if self.good else b"{"


def test_a_waiting_case_and_the_records_after_it_are_not_processed() -> None:
    said = Batch()
    records = [Sent(offset, good=offset not in (2, 5)) for offset in range(1, 8)]
    Decoder(policies_of(SAMPLE.read_text()), 1 << 20).decode("complaints", records, said, 2**60)
    keep_before(said, 4)
    kept = {account_id: [fact.record.offset for fact in facts] for account_id, facts in said.facts.items()}
    assert kept == {"a1": [1, 3]}
    assert [each.record.offset for each in said.rejected] == [2]


def test_a_ce_id_follows_from_the_deployment_the_shard_and_the_number() -> None:
    deployment, other = uuid.UUID(int=1), uuid.UUID(int=2)
    assert ce_id(deployment, 3, 7) == str(uuid.uuid5(deployment, "3/7"))
    places = [(deployment, 1, 11), (deployment, 11, 1), (deployment, 2, 11), (deployment, 1, 12), (other, 1, 11)]
    assert len({ce_id(*place) for place in places}) == len(places)
