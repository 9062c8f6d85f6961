"""Generated histories: the same for a seed, with the shares asked for, of messages that the contracts know."""

import json
from pathlib import Path

from click.testing import CliRunner

from contracts.topics import INPUT_TOPICS
from workers.cli import app
from workers.codec.batch import Batch
from workers.codec.decoding import Decoder
from workers.codec.policies import load_policies
from workers.demo.generate import Generated, HistoryParameters, history, sized
from workers.settings import Settings

SMALL = HistoryParameters(seed=7, accounts=60, companies=20, days=400)


class Record:
    """A record of a generated message."""

    partition, timestamp, headers = 0, 0, ()

    def __init__(self, message: Generated, offset: int) -> None:
        self.topic, self.offset = message.topic, offset
        self.key, self.value = message.key.encode(), message.value


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert history(SMALL) == history(SMALL)
    assert history(SMALL) != history(HistoryParameters(seed=8, accounts=60, companies=20, days=400))


def test_messages_come_in_the_order_of_their_arrival_and_never_before_they_happened() -> None:
    found = history(SMALL)
    assert [each.arrives_at for each in found] == sorted(each.arrives_at for each in found)
    assert all(each.arrives_at > each.event_at for each in found)


def test_every_message_is_one_of_the_contracts_and_every_bad_one_is_refused() -> None:
    decoder = Decoder(load_policies(Settings().policies), 1 << 20)
    for bad, all_good in ((0.0, True), (0.2, False)):
        batch = Batch()
        found = history(HistoryParameters(seed=3, accounts=60, companies=20, days=400, late=0, doubled=0, bad=bad))
        for topic in INPUT_TOPICS:
            records = [Record(each, offset) for offset, each in enumerate(found) if each.topic == topic]
            decoder.decode(topic, records, batch, 2**60)
        assert (len(batch.rejected) == 0) is all_good
        good = len(history(HistoryParameters(seed=3, accounts=60, companies=20, days=400, late=0, doubled=0, bad=0)))
        assert bad == 0 or abs(len(batch.rejected) / good - bad) < 0.05


def test_every_topic_has_messages_and_late_and_doubled_ones_are_as_many_as_asked() -> None:
    found = history(HistoryParameters(seed=5, accounts=200, companies=50, late=0.1, doubled=0.2, bad=0))
    assert {each.topic for each in found} == set(INPUT_TOPICS)
    doubled = len(found) - len({each.value for each in found})
    assert 0.12 < doubled / len(found) < 0.21
    late = sum(each.arrives_at - each.event_at > 60_000_000 for each in found)
    assert 0.08 < late / len(found) < 0.35  # the doubled ones come later too


def test_about_as_many_facts_as_asked() -> None:
    assert 8_000 < len(history(sized(SMALL, 10_000))) < 12_500


def test_the_command_writes_json_lines(tmp_path: Path) -> None:
    out = tmp_path / "history.jsonl"
    options = ["--seed", "7", "--accounts", "20", "--companies", "5", "--days", "200", "--bad", "0.05"]
    done = CliRunner().invoke(app, ["generate", *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["topic"] for line in lines} <= set(INPUT_TOPICS)
    assert all(("value" in line) is not ("raw" in line) for line in lines)
