"""Late, early, twice: the model gives the same for every order of arrival, and waiting only ever shortens it."""

from itertools import pairwise
from random import Random

import pytest

from tests.model.calendar import DAY
from tests.model.decisions import TOPIC_OF_KIND
from tests.model.histories import random_history
from tests.model.naive import Result, walk
from tests.model.story import (
    activation,
    case,
    enrolled,
    local,
    only,
    order,
    play,
    policy,
    reapplication,
    told,
)  # fmt: skip

SHORT = policy(
    effective_from="2016-02-03T00:00:00+08:00", inactivity_days=6, activation_days=3, lockout_days=2, reapply_days=4,
    inactivity_notices=[3, 1], activation_notices=[1],
    violations={"refusal": {"penalty": "terminate"}, "late": {"penalty": "terminate", "after": 2, "within_days": 5}},
)  # fmt: skip
HOURLY = policy(
    id="h", effective_from="2016-02-15T00:00:00+08:00", day_count="elapsed", inactivity_days=5, activation_days=2,
    lockout_days=1, reapply_days=3, inactivity_notices=[1], violations={"refusal": {"penalty": "terminate"}},
)  # fmt: skip
POLICIES = (SHORT, HOURLY)


def summary(result: Result) -> tuple[object, object]:
    """What must not depend on the order of arrival."""
    return sorted(map(repr, result.decisions)), result.accounts


@pytest.mark.parametrize("first", range(0, 150, 30))
def test_every_order_of_arrival_and_any_doubling_give_the_same(first: int) -> None:
    for seed in range(first, first + 30):
        random = Random(seed)  # noqa: S311
        history = random_history(random, random.randrange(2, 20))
        watermark = random.choice([float("inf"), local("2016-02-01") + random.randrange(60) * DAY // 2])
        expected = summary(walk(history, POLICIES, watermark))
        shuffled = history + random.sample(history, len(history) // 2)
        random.shuffle(shuffled)
        assert summary(walk(shuffled, POLICIES, watermark)) == expected, history


@pytest.mark.parametrize("first", range(0, 150, 30))
def test_with_a_watermark_each_account_s_decisions_are_a_prefix_of_those_without(first: int) -> None:
    for seed in range(first, first + 30):
        random = Random(seed)  # noqa: S311
        history = random_history(random, random.randrange(2, 20))
        whole = walk(history, POLICIES)
        part = walk(history, POLICIES, local("2016-02-01") + random.randrange(60) * DAY // 2)
        for subject in {one.subject for one in whole.decisions}:
            told_in_part = [one for one in part.decisions if one.subject == subject]
            told_in_whole = [one for one in whole.decisions if one.subject == subject]
            if subject.startswith("id:"):
                assert told_in_part == told_in_whole, history
            assert told_in_part == told_in_whole[: len(told_in_part)], history


@pytest.mark.parametrize("first", range(0, 150, 30))
def test_decision_ids_are_unique_and_standings_follow_one_another(first: int) -> None:
    for seed in range(first, first + 30):
        random = Random(seed)  # noqa: S311
        history = random_history(random, random.randrange(2, 25))
        result = walk(history, POLICIES)
        assert len({one.decision_id for one in result.decisions}) == len(result.decisions)
        for account_id, account in result.accounts.items():
            own = [one for one in result.decisions if one.subject == account_id]
            for earlier, later in pairwise(own):
                assert earlier.standing_after == later.standing_before, history
            if own:
                assert own[-1].standing_after == account.standing, history


def test_the_random_histories_reach_every_kind_of_decision() -> None:
    kinds: set[str] = set()
    for seed in range(150):
        random = Random(seed)  # noqa: S311
        history = random_history(random, random.randrange(2, 20))
        kinds |= {one.kind for one in walk(history, POLICIES).decisions}
    assert kinds == set(TOPIC_OF_KIND)


def test_an_order_read_after_the_suspension_it_prevents_leaves_no_suspension() -> None:
    late = [enrolled("2016-02-10"), activation("2016-08-10"), order("2016-08-01")]
    result = play(*late, watermark=local("2016-08-20"))
    assert [kind for kind, _, _ in told(result)] == ["account_enrolled", "activation_refused"]
    assert only(result, "activation_refused").reason == "not_suspended"


def test_at_one_instant_the_registry_comes_before_cases_and_all_within_a_kind_by_id() -> None:
    at = local("2016-03-01")
    result = play(
        reapplication(at), order(at), case(at, event_id="k"), enrolled(at, "a", "d", event="e2"),
        enrolled(at, "a", "c", event="e1"), watermark=at,
    )  # fmt: skip
    assert told(result) == [
        ("account_enrolled", "E1", at), ("account_terminated", "T2", at), ("reapplication_refused", "T3", at),
    ]  # fmt: skip
    assert only(result, "company_terminated").subject == "id:d"


def test_cases_of_one_company_at_one_instant_come_by_event_id_and_then_by_account() -> None:
    at = local("2016-03-01")
    result = play(
        enrolled("2016-02-10", "a"), enrolled("2016-02-10", "b"),
        case(at, account="b", case_id="k1", event_id="same"), case(at, account="a", case_id="k2", event_id="same"),
        case(at, account="b", case_id="k3", event_id="Z"), watermark=at,
    )  # fmt: skip
    hits = [one.cause for one in result.decisions if one.kind == "account_terminated" and one.subject == "a"]
    assert hits == ["Z\nb", "same\na", "same\nb"]
