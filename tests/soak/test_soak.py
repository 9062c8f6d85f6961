"""The parts of a soak: its facts follow from the seed, and its reader reports what is wrong."""

import asyncio
from itertools import islice
from random import Random

from tests.soak.floors import too_little
from tests.soak.load import disturbed, waves
from tests.soak.sender import Input, Sender
from tests.soak.watching import Reader
from workers.demo.generate import HistoryParameters, history
from workers.devservers.servers import free_port

FACTS = 3000


def test_the_facts_follow_from_the_seed_and_never_end() -> None:
    found = list(islice(waves(3, FACTS), 5 * FACTS))
    assert found[:FACTS] == list(islice(waves(3, FACTS), FACTS))
    assert found[:FACTS] != list(islice(waves(4, FACTS), FACTS))
    assert [each.arrives_at for each in found] == sorted(each.arrives_at for each in found)
    assert len({each.key for each in found}) > 400, "a second wave brings new sellers"


def test_nothing_is_missing_of_what_is_shuffled_and_repeated() -> None:
    given = history(HistoryParameters(seed=5, accounts=200, companies=60))
    found = list(disturbed(Random(5), given))  # noqa: S311
    assert found != given
    assert len(found) > len(given)
    assert set(found) == set(given)
    assert found == list(disturbed(Random(5), given))  # noqa: S311


def test_the_reader_sees_a_message_that_came_twice_or_out_of_order() -> None:
    reader = Reader("", "", 1, [])
    reader.take("account-suspensions", "a", "wang", b'{"sequence": 2}')
    reader.take("account-suspensions", "b", "li", b'{"sequence": 1}')
    reader.take("account-standing", "c", "wang", b'{"sequence": 1}')
    assert not reader.violations
    reader.take("account-suspensions", "b", "li", b'{"sequence": 1}')
    reader.take("account-suspensions", "d", "wang", b'{"sequence": 1}')
    assert reader.violations == [
        "account-suspensions b came twice",
        "account-suspensions of wang is out of order at 1",
    ]
    assert reader.published == 5


def test_a_soak_of_twenty_minutes_needs_a_million_facts_and_a_hundred_kills() -> None:
    assert too_little(1200, 900, 4.5, 1_000_000, 100) == []
    assert too_little(1200, 900, 4.5, 999_999, 99) == [
        "too little: 999,999 facts in 20.0 minutes, 1,000,000 are wanted",
        "too little: 99 kills in 20.0 minutes, 100 are wanted",
    ]


def test_the_floors_follow_the_rate_the_time_between_faults_and_the_minutes_that_were_run() -> None:
    assert too_little(1200, 450, 9, 500_000, 50) == []
    assert len(too_little(1200, 450, 9, 499_999, 49)) == 2
    assert too_little(600, 900, 4.5, 500_000, 50) == []
    assert len(too_little(600, 900, 4.5, 499_999, 49)) == 2


def test_a_short_soak_needs_half_and_one_that_ended_immediately_nothing() -> None:
    assert too_little(180, 900, 4.5, 75_000, 7) == []
    assert len(too_little(180, 900, 4.5, 74_999, 6)) == 2
    assert too_little(0, 900, 4.5, 0, 0) == []


async def test_records_that_no_topic_accepts_are_a_violation_and_end_the_soak() -> None:
    violations: list[str] = []
    stop = asyncio.Event()
    sender = Sender(f"127.0.0.1:{free_port()}", "soak.", violations, stop, delivery_seconds=0.5)
    assert not await sender.send([Input("complaints", "wang", b"{}"), Input("complaints", "li", b"{}")])
    assert stop.is_set()
    assert violations == [
        "Kafka did not take 2 records, the first of soak.complaints: Local: Message timed out",
    ]
    assert (sender.sent, sender.refused) == (0, 2)
    assert sender.compare(0) == sender.compare(2) == []
    assert sender.compare(3) == ["the topics hold 1 records that were not sent"]


def test_a_record_that_was_acknowledged_and_is_in_no_topic_is_a_violation() -> None:
    sender = Sender("", "", [], asyncio.Event())
    sender.sent = 5
    assert sender.compare(5) == []
    assert sender.compare(3) == ["the topics lack 2 records that were taken"]
