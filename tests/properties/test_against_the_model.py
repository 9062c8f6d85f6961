"""The engine against the independent model: the same decisions in force and standings in any order of arrival."""

from random import Random

import pytest

from tests.model.histories import random_history
from tests.model.naive import walk
from tests.properties.arriving import Arrival
from tests.properties.comparing import in_order, of_engine, of_message, of_model
from tests.support.policies import HOURLY, SHORT
from tests.support.rules_engine import both, from_scratch

MODEL_POLICIES, POLICIES = both(SHORT, HOURLY)


def check_from_scratch(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    history = random_history(random, random.randrange(2, 20))
    instants = [content["occurred_at"] for _, content in history]
    watermark = random.choice([2**59, *instants, random.choice(instants) - 1])
    expected = walk(history, MODEL_POLICIES, watermark)
    random.shuffle(history)
    for compressed in (True, False):
        decisions, judgements = from_scratch(history, POLICIES, watermark, compressed=compressed)
        assert in_order(map(of_engine, decisions)) == in_order(map(of_model, expected.decisions)), (seed, history)
        for account_id, judgement in judgements.items():
            account = expected.accounts[account_id]
            assert judgement.status == account.standing, (seed, history)
            if judgement.standing is not None:
                assert judgement.standing.since == account.since, (seed, history)


def check_arrival(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    history = random_history(random, random.randrange(2, 20))
    in_time = random.random() < 0.5
    history.sort(key=lambda message: message[1]["occurred_at"] + random.randrange(1 if in_time else 20) * 10**11)
    engine = Arrival(POLICIES)
    watermark = 0
    for message in history:
        engine.arrive([message], watermark)
        watermark = max(watermark, message[1]["occurred_at"] - random.choice([0, 1, 10**11]))
        if random.random() < 0.5:
            engine.wakes(watermark)
    end = max(content["occurred_at"] for _, content in history) + random.choice([0, 10**11, 10**13])
    engine.wakes(end)
    expected = walk(history, MODEL_POLICIES, end)
    assert in_order(of_message(each.value) for each in engine.net()) == in_order(map(of_model, expected.decisions)), (
        seed,
        history,
    )
    assert not any(map(engine.breaks_the_rule, engine.rows)), (seed, history)


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_judged_from_scratch_as_in_the_model_compressed_or_not(first: int) -> None:
    for seed in range(first, first + 30):
        check_from_scratch(seed)


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_enforced_message_by_message_as_in_the_model(first: int) -> None:
    for seed in range(first, first + 30):
        check_arrival(seed)
