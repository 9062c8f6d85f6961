"""What becomes a fact and what a dead letter, before the model walks."""

from typing import Any

import pytest

from tests.model.reading import Message, is_effective_order, read
from tests.model.story import activation, case, enrolled, local, order, policy

POLICIES = (policy(),)


def reasons(*messages: Message, now: float = float("inf")) -> list[str]:
    """The reasons of the dead letters, in the order of arrival."""
    return [reason for reason, _ in read(messages, POLICIES, now).dead_letters]


def changed(message: Message, **fields: Any) -> Message:
    """The message with other fields."""
    return message[0], message[1] | fields


@pytest.mark.parametrize("message", [
    changed(order("2016-02-10"), status="lost"), changed(order("2016-02-10"), previous_status="lost"),
    changed(order("2016-02-10"), order_id=""), changed(order("2016-02-10"), account_id="a" * 129),
    changed(order("2016-02-10"), event_id="e\n"), changed(order("2016-02-10"), event_id=7),
    changed(order("2016-02-10"), occurred_at="2016-02-10T00:00:00"), changed(order("2016-02-10"), occurred_at=None),
    changed(order("2016-02-10"), amount={"value": 5, "currency": "USD"}),
    changed(enrolled("2016-02-10"), company_name=None), changed(enrolled("2016-02-10"), company_name="  "),
    changed(enrolled("2016-02-10"), company_name="n" * 257), changed(enrolled("2016-02-10"), status="opened"),
    changed(case("2016-02-10"), outcome="lost"), changed(case("2016-02-10"), source="rumour"),
    changed(activation("2016-02-10"), kind="other"), changed(activation("2016-02-10"), request_id=None),
])  # fmt: skip
def test_a_wrong_or_missing_field_makes_a_dead_letter(message: Message) -> None:
    assert reasons(message) == ["invalid_message"]


def test_unknown_fields_and_time_as_text_or_number_are_read_alike() -> None:
    as_text = changed(enrolled("2016-02-10", event="e"), occurred_at="2016-02-09T16:00:00Z", colour="red")
    reading = read([as_text, enrolled("2016-02-10", event="e")], POLICIES)
    assert (len(reading.facts), reading.dead_letters) == (1, [])


def test_of_two_contents_under_one_id_the_first_read_counts_and_each_other_is_a_dead_letter() -> None:
    first, other = enrolled("2016-02-10", event="e"), enrolled("2016-02-11", event="e")
    reading = read([first, other, first, other], POLICIES)
    assert [fact.at for fact in reading.facts] == [local("2016-02-10")]
    assert reading.dead_letters == [("conflicting_duplicate", other)] * 2


def test_one_id_in_another_account_or_topic_is_another_fact() -> None:
    messages = [
        enrolled("2016-02-10", "a", event="e"), enrolled("2016-02-11", "b", event="e"),
        case("2016-02-12", account="a", event_id="e"), activation("2016-02-12", "a", "e"),
    ]  # fmt: skip
    assert len(read(messages, POLICIES).facts) == 4


def test_orders_are_not_checked_for_conflicts() -> None:
    assert len(read([order("2016-02-10", event_id="e"), order("2016-02-11", event_id="e")], POLICIES).facts) == 2


def test_an_order_is_effective_when_it_enters_one_of_the_three_statuses() -> None:
    def effective(**fields: Any) -> bool:
        return is_effective_order(read([order("2016-02-10", **fields)], POLICIES).facts[0])

    assert effective()
    assert effective(previous_status="awaiting_prepayment")
    assert not effective(previous_status="awaiting_full_prepayment")
    assert not effective(previous_status="待卖家发货")
    assert not effective(status="completed", previous_status="awaiting_shipment")


def test_an_upheld_case_of_a_category_in_no_policy_is_dropped_and_another_outcome_of_it_is_not() -> None:
    assert reasons(case("2016-02-10", category="alien")) == ["unknown_category"]
    assert reasons(case("2016-02-10", "dismissed", category="alien")) == []


def test_more_than_five_minutes_ahead_of_the_clock_is_a_dead_letter() -> None:
    now = local("2016-02-10 12:00")
    assert reasons(order(local("2016-02-10 12:05")), enrolled(local("2016-02-10 12:05")), now=now) == []
    ahead = local("2016-02-10 12:05") + 1
    assert reasons(order(ahead), enrolled(ahead), now=now) == ["occurred_in_future"] * 2


def test_the_51st_request_of_an_account_on_one_utc_day_is_a_dead_letter() -> None:
    # 08:00 in Shanghai is 00:00Z. The doubled one counts once; the next day and another account start from zero.
    same_day = [activation(local("2016-02-10 08:00") + number, request=f"q{number}") for number in range(51)]
    next_day = activation("2016-02-11 08:00", request="next")
    eve = activation(local("2016-02-10 08:00") - 1, request="eve")
    neighbour = activation("2016-02-10 09:00", "b", "other")
    reading = read([same_day[0], *same_day, next_day, eve, neighbour], POLICIES)
    assert reading.dead_letters == [("too_many_requests", same_day[50])]
    assert len(reading.facts) == 53
