"""A replay judges each account as far as the live engine has: no further, whatever the watermark of the others is."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from contracts.topics import INPUT_TOPICS
from tests.model.story import local
from tests.support.facts import Message, enrolled, paid
from workers.codec.messages import ce_id
from workers.codec.policies import load_policies
from workers.kafka.fetched_records import FetchedRecord
from workers.recovery.decide_again import Replay
from workers.recovery.published_decisions import PublishedMessages
from workers.recovery.snapshot import Judged
from workers.rules.calendar import Instant
from workers.store.records import MINUS_INFINITY, LogRow, Progress

POLICIES = load_policies(Path(__file__).parents[2] / "schemas" / "policies")
HISTORY = [enrolled(each, "2016-03-01 10:00", each) for each in "abc"] + [paid("b", "2016-03-20 10:00")]


def replayed(judged: Judged, history: list[Message] = HISTORY) -> Replay:
    """The history, one partition a topic, read by one chunk."""
    replay = Replay(POLICIES, judged, [(topic, 0) for topic in INPUT_TOPICS], 1 << 20)
    for offset, (topic, key, value) in enumerate(history):
        record = FetchedRecord(topic, 0, offset, 0, str(key).encode(), json.dumps(value).encode(), ())
        replay.process({(topic, 0): [record]})
    replay.finish()
    return replay


def suspended(replay: Replay) -> set[str]:
    decided = {each["account_id"] for each in replay.in_force.values() if each["kind"] == "account_suspended"}
    assert decided == {name for name, said in replay.standings.items() if said["standing"] == "suspended"}
    return decided


def until(replay: Replay, account_id: str) -> Instant | None:
    return replay.store.tables.accounts[account_id].judged_until


def test_accounts_that_are_due_and_not_judged_yet_are_judged_as_far_as_they_were() -> None:
    assert suspended(replayed(Judged(local("2016-12-01")))) == {"a", "b", "c"}
    before, just = local("2016-07-01"), local("2016-08-28")
    replay = replayed(Judged(local("2016-12-01"), {"a": before, "b": just, "c": MINUS_INFINITY}))
    assert suspended(replay) == set()
    notices = sorted(each["account_id"] for each in replay.in_force.values() if each["kind"] == "suspension_notice")
    assert notices == ["b"]
    assert [until(replay, each) for each in "abc"] == [before, just, None]


def test_under_a_hold_each_account_is_judged_as_far_as_it_was_before() -> None:
    replay = replayed(Judged(accounts={"a": local("2016-08-29")}))
    assert suspended(replay) == {"a"}
    assert [until(replay, each) for each in "bc"] == [None, None]
    assert suspended(replayed(Judged())) == set()


@pytest.mark.parametrize("held", [None, "a backfill"])
def test_the_watermark_has_one_definition_that_includes_a_hold(held: str | None) -> None:
    assert Progress(50, 40, 60, held).watermark(10) == (30 if held is None else MINUS_INFINITY)
    assert Progress(None, 40, 60, held).watermark(10) == MINUS_INFINITY


def message(topic: str, sequence: int, name: str, **fields: object) -> tuple[str, FetchedRecord]:
    value = {"account_id": "a", "sequence": sequence, "effective_at": "2016-03-01T00:00:00.000000Z"} | fields
    return topic, FetchedRecord(topic, 0, 0, 0, b"a", json.dumps(value).encode(), (("ce_id", name.encode()),))


def test_messages_published_later_are_left_out_and_rows_only_in_the_log_are_added_once() -> None:
    names = {seq: ce_id(UUID(int=1), 0, seq) for seq in range(1, 5)}
    kind = "account_suspended"
    said = [message("suspensions", seq, names[seq], kind=kind, decision_id=f"d{seq}") for seq in range(1, 5)]
    rows = [
        LogRow(0, seq, b"", topic, b"a", "[]", record.value or b"", None, "a", kind, None, 0)
        for seq, (topic, record) in enumerate(said, 1)
        if seq in (2, 3)
    ]
    del said[2]  # not published yet
    published = PublishedMessages(later=frozenset({names[4]}), newest={names[row.seq]: row for row in rows})
    for topic, record in said:
        published.add(topic, [record])
    published.add_logged(published.newest.values())
    assert published.finish().in_force.keys() == {"d1", "d2", "d3"}
    assert published.duplicates == []
    published = PublishedMessages()
    for topic, record in (said[0], said[0]):
        published.add(topic, [record])
    assert len(published.finish().duplicates) == 1
