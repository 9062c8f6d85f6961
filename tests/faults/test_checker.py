"""The checker reports whatever is removed, doubled or changed in what it sees."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.checker import Verdict, judge
from tests.support.policies import POLICIES
from tests.support.seen import Record, Seen

TOPICS = (
    "suspensions",
    "company-terminations",
    "account-terminations",
    "restorations",
    "request-outcomes",
    "account-notices",
)

JOINED = "2016-09-25T16:00:00.000000Z"
"""When wu came under a terminated company: enrolled, and terminated (T4) at the same instant."""


def verdict(seen: Seen) -> Verdict:
    return judge(seen, POLICIES)


def one_of_each_kind(messages: list[Record]) -> list[tuple[int, Record]]:
    """The last message of each kind, and its index."""
    return list({each.headers["ce_type"]: (index, each) for index, each in enumerate(messages)}.values())


def last_of(seen: Seen, topic: str, wanted: Callable[[dict[str, Any]], bool] = lambda value: True) -> int:
    """The index of the last such message."""
    return max(index for index, each in enumerate(seen.outputs) if each.topic == topic and wanted(each.json))


def last_standing(seen: Seen, topic: str) -> int:
    """The index of the last decision that was never withdrawn."""
    withdrawn = {each.json.get("withdraws") for each in seen.outputs}
    return last_of(seen, topic, lambda value: value.get("decision_id") not in {None, *withdrawn})


def changed(record: Record, **fields: object) -> Record:
    """The message with other content."""
    return replace(record, value=json.dumps(record.json | fields).encode())


def test_an_untouched_deployment_is_clean(seen: Seen) -> None:
    found = verdict(seen)
    assert found.clean
    assert found.figures["decisions"] > 40
    assert found.figures["withdrawals"] > 0
    assert found.figures["dead_letters"] == 2


def test_each_message_that_is_missing_is_lost_but_for_a_standing_that_compaction_may_take(seen: Seen) -> None:
    messages = list(seen.outputs)
    newest = {(each.topic, each.key): index for index, each in enumerate(messages)}
    for index, each in one_of_each_kind(messages):
        if each.topic != "account-standing" or newest[each.topic, each.key] == index:
            seen.outputs = messages[:index] + messages[index + 1 :]
            assert verdict(seen).lost, f"{each.topic} {each.value!r}"


def test_each_message_that_comes_twice_is_doubled(seen: Seen) -> None:
    messages = list(seen.outputs)
    for index, each in one_of_each_kind(messages):
        seen.outputs = [*messages[: index + 1], *messages[index:]]
        assert verdict(seen).doubled, f"{each.topic} {each.value!r}"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_decision_published_once_more_under_another_ce_id_is_doubled(seen: Seen, topic: str) -> None:
    index = last_standing(seen, topic)
    record = seen.outputs[index]
    again = changed(record, sequence=max(each.json.get("sequence", 0) for each in seen.outputs) + 1)
    seen.outputs.append(replace(again, headers={**record.headers, "ce_id": "another"}))
    assert verdict(seen).doubled


@pytest.mark.parametrize(
    "fields",
    [
        {"effective_at": "2016-09-07T16:00:00.000001Z"},
        {"clause": "S5"},
        {"standing_after": "active"},
        {"policy": {"id": "2016-02", "digest": "another"}},
        {"sequence": 99},
    ],
)
def test_a_changed_field_of_a_decision_is_wrong(seen: Seen, fields: dict[str, object]) -> None:
    index = last_standing(seen, "suspensions")
    before = seen.outputs[index]
    seen.outputs[index] = changed(before, **fields)
    row = next(row for row in seen.rows["decision_log"] if row["value"] == before.value)
    row["value"] = seen.outputs[index].value  # the log agrees: only the model knows better
    assert not verdict(seen).clean


@pytest.mark.parametrize("kind", ["account_suspended", "account_suspended_withdrawn"])
def test_a_decision_or_withdrawal_that_names_an_unsent_fact_or_none_is_wrong(seen: Seen, kind: str) -> None:
    name = "because" if kind.endswith("withdrawn") else "evidence"
    index = last_of(seen, "suspensions", lambda value: value["kind"] == kind)
    before = seen.outputs[index]
    facts = before.json[name]
    none: list[list[object]] = [[]] if name == "evidence" else []
    for named in (*none, [*facts, facts[0] | {"id": "nobody's"}], [facts[0] | {"account_id": "nobody"}]):
        seen.outputs[index] = changed(before, **{name: named})
        assert any("names" in each for each in verdict(seen).wrong)


def test_a_dead_letter_that_is_not_as_it_was_sent_is_wrong(seen: Seen) -> None:
    index = last_of(seen, "dead-letters", lambda value: value["value"] is not None)
    seen.outputs[index] = changed(seen.outputs[index], value="YWJj")
    assert any("another value" in each for each in verdict(seen).wrong)


def test_a_message_that_differs_from_its_row_of_the_log_is_wrong(seen: Seen) -> None:
    index = last_of(seen, "account-notices")
    seen.outputs[index] = changed(seen.outputs[index], recorded_at="2016-01-01T00:00:00.000000Z")
    assert verdict(seen).wrong


def test_messages_of_an_account_out_of_order_are_wrong(seen: Seen) -> None:
    own = [index for index, each in enumerate(seen.outputs) if each.topic == "restorations" and each.key == b"li"]
    first, second = own[0], own[-1]
    seen.outputs[first], seen.outputs[second] = seen.outputs[second], seen.outputs[first]
    assert verdict(seen).wrong


def test_decisions_of_one_instant_in_another_order_are_wrong(seen: Seen) -> None:
    own = [last_of(seen, topic, lambda value: value.get("account_id") == "wu" and value["effective_at"] == JOINED)
           for topic in ("restorations", "account-terminations")]  # fmt: skip
    enrolled, terminated = (seen.outputs[index] for index in own)
    assert enrolled.json["sequence"] < terminated.json["sequence"]
    for index, each, other in zip(own, (enrolled, terminated), (terminated, enrolled), strict=True):
        seen.outputs[index] = changed(each, sequence=other.json["sequence"])
        row = next(row for row in seen.rows["decision_log"] if row["value"] == each.value)
        row["value"] = seen.outputs[index].value
    assert [each for each in verdict(seen).wrong if "in the order [1, 0" in each]


def test_a_standing_that_is_not_that_of_the_last_decision_in_force_is_wrong(seen: Seen) -> None:
    index = last_of(seen, "account-standing", lambda value: value["account_id"] == "wang")
    seen.outputs[index] = changed(seen.outputs[index], standing="suspended")
    assert "wang is said to be suspended, and by its last decision in force active" in verdict(seen).wrong


@pytest.mark.parametrize("topic", ["order-status", "complaints", "seller-accounts", "account-requests"])
def test_each_fact_that_was_never_read_is_lost_and_an_unsent_one_is_wrong(seen: Seen, topic: str) -> None:
    records = list(seen.inputs)
    unread = Record(topic, 0, 999, b"li", b"")
    for each in records:
        if each.topic == topic and each.value and b"occurred_at" in each.value:
            unread = replace(
                each, offset=999, value=each.value.replace(b"2016-", b"2015-").replace(b'": "', b'": "x', 1)
            )
    content = json.loads(unread.value or b"{}")
    content |= {name: "new" for name in ("event_id", "request_id", "order_id", "case_id") if name in content}
    content |= {"occurred_at": "2016-04-01T00:00:00+08:00"}
    seen.inputs = [*records, replace(unread, value=json.dumps(content).encode())]
    seen.ends[topic, unread.partition] += 1
    assert verdict(seen).lost
    seen.inputs = [each for each in records if each.topic != topic]
    assert verdict(seen).wrong


def test_a_position_that_went_too_far_or_not_far_enough_is_found(seen: Seen) -> None:
    row = next(row for row in seen.rows["positions"] if row["next_offset"] > 0)
    row["next_offset"] += 1
    assert verdict(seen).wrong
    row["next_offset"] -= 2
    assert verdict(seen).lost


@pytest.mark.parametrize("table", ["facts", "current_decisions", "decision_log"])
def test_a_row_that_is_missing_in_the_database_is_found(seen: Seen, table: str) -> None:
    del seen.rows[table][0]
    assert not verdict(seen).clean


def test_an_account_with_another_standing_in_the_database_is_found(seen: Seen) -> None:
    row = next(row for row in seen.rows["accounts"] if row["account_id"] == "zhou")
    row["standing"] = "suspended"
    assert verdict(seen).wrong


def test_an_order_that_its_spans_do_not_cover_is_lost(seen: Seen) -> None:
    row = next(row for row in seen.rows["order_spans"] if row["account_id"] == "wang")
    seen.rows["order_spans"].remove(row)
    assert verdict(seen).lost
