"""Small histories on the real store: in any order of arrival, doubled, in any batches, the same is decided."""

from random import Random

import pytest

from tests.model.histories import random_history
from tests.support.database_deployment import DatabaseDeployment
from tests.support.policies import HOURLY, SHORT
from tests.support.rules_engine import Message
from workers.rules.calendar import DAY

HISTORIES = 40


def many_histories(random: Random) -> list[Message]:
    """Many small histories side by side, each with accounts and companies of its own."""
    found: list[Message] = []
    for number in range(HISTORIES):
        for topic, content in random_history(random, random.randrange(4, 20)):
            names = {name: f"{number}-{content[name]}" for name in ("account_id", "company_id") if name in content}
            found.append((topic, content | names))
    return found


@pytest.mark.parametrize("deployment", [(SHORT, HOURLY)], indirect=True)
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_batches_and_duplicates_give_the_same_current_decisions(
    seed: int, deployment: DatabaseDeployment
) -> None:
    random = Random(seed)  # noqa: S311
    history = many_histories(random)
    end = max(content["occurred_at"] for _, content in history) + random.choice([0, DAY, 90 * DAY])
    late = random.choice([1, 10, 40])
    arriving = history + random.sample(history, len(history) // 4)
    arriving.sort(key=lambda message: message[1]["occurred_at"] + random.randrange(late) * DAY)
    watermark = 0
    while arriving:
        size = random.choice([1, 5, 60])
        batch, arriving = arriving[:size], arriving[size:]
        await deployment.reads(*batch)
        watermark = max(watermark, batch[-1][1]["occurred_at"] - random.choice([0, DAY]))
        if random.random() < 0.3:
            await deployment.reaches(watermark)
        if random.random() < 0.3 and (fanout := await deployment.store.claim_fanout(0.0)) is not None:
            await deployment.enforcement.process_fanout(fanout, 1)
    await deployment.reaches(end)
    await deployment.fanouts()
    await deployment.reaches(end)
    await deployment.check(end)
