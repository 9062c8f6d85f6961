"""Histories at random, small enough that their facts meet at the same instants."""

from random import Random

from tests.model.calendar import DAY
from tests.model.reading import Message
from tests.model.story import (
    activation,
    case,
    closed,
    enrolled,
    local,
    order,
    reapplication,
)


def random_history(random: Random, length: int) -> list[Message]:
    """Messages of three accounts and two companies within a month, on whole and half days so that instants meet."""
    history: list[Message] = []
    for number in range(length):
        at = local("2016-02-01") + random.randrange(60) * DAY // 2
        account, name = random.choice("abx"), f"n{number}"
        category = random.choice(["refusal", "late"])
        outcome = random.choice(["upheld", "upheld", "dismissed", "opened"])
        history.append(random.choice([
            enrolled(at, account, random.choice("cd"), name),
            enrolled(at, account, random.choice("cd"), name),
            closed(at, account, name) if random.random() < 0.3 else order(at, account, name),
            order(at, account, name),
            case(at, outcome, account, random.choice(["k1", "k2"]), category=category, event_id=name),
            activation(at, account, name),
            reapplication(at, account, name),
        ]))  # fmt: skip
    return history
