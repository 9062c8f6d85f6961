"""The comparison of an arrival with the model."""

from tests.model.naive import walk
from tests.properties.arriving import Arrival
from tests.properties.comparing import in_order, of_message, of_model
from tests.properties.strategies import World
from tests.support.rules_engine import Message, from_scratch
from workers.enforcement.evaluate import standing_digest


def as_the_model_says(engine: Arrival, world: World, read: list[Message]) -> None:
    """Decisions in force and standings are the model's over what was read, up to the engine's watermark."""
    expected = walk(read, world.model, engine.watermark)
    assert in_order(of_message(each.value) for each in engine.net()) == in_order(map(of_model, expected.decisions))
    assert {row.account_id: row.standing for row in engine.rows.values()} == {
        account_id: account.standing for account_id, account in expected.accounts.items() if account_id in engine.rows
    }
    judgements = from_scratch(read, world.policies, engine.watermark)[1]
    for account_id, judgement in judgements.items():
        if judgement.standing is not None:
            assert engine.rows[account_id].standing_digest == standing_digest(judgement.standing)
            assert engine.standings[account_id]["standing"] == judgement.standing.standing
        assert engine.breaks_the_rule(account_id) is None
