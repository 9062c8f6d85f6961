"""The text that the store keeps of a fact: what is read from it is the fact that was decoded."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.database_deployment import policies_of
from tests.support.policies import SAMPLE
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.facts import read_fact

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
FACTS = sorted(
    path
    for topic in ("complaints", "seller-accounts", "account-requests")
    for path in EXAMPLES.glob(f"{topic}/valid/*")
)


@pytest.mark.parametrize("path", FACTS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_stored_fact_is_read_as_it_was_decoded(path: Path) -> None:
    topic, said = path.parts[-3], Batch()
    record = SimpleNamespace(
        topic=topic, partition=0, offset=0, timestamp=0, key=None, value=path.read_bytes(), headers=()
    )
    Decoder(policies_of(SAMPLE.read_text()), 1 << 20).decode(topic, [record], said, 2**60)
    [[received]] = said.facts.values()
    assert read_fact(topic, received.content) == received.fact
