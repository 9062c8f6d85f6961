"""The files of `schemas` say what the models say."""

from typing import get_args

from contracts.catalogue import MESSAGES, messages_of
from contracts.decision_parts import InputTopic
from contracts.decisions import DECISIONS
from contracts.generate import SCHEMAS, generated
from contracts.topics import INPUT_TOPICS, OUTPUT_TOPICS, TOPICS
from contracts.withdrawals import WITHDRAWALS

STALE = "run `python -m contracts.generate` and commit what it changes"


def test_the_generated_files_are_those_that_the_models_stand_for() -> None:
    stored = [*(SCHEMAS / "messages").glob("*"), SCHEMAS / "asyncapi.json"]
    texts = {path.relative_to(SCHEMAS).as_posix(): path.read_text(encoding="utf-8") for path in stored}
    assert texts == generated(), STALE


def test_every_message_is_carried_by_exactly_one_topic() -> None:
    carried = [name for topic in TOPICS for name in messages_of(topic)]
    assert sorted(carried) == sorted(MESSAGES)


def test_every_decision_has_a_withdrawal() -> None:
    kinds = [get_args(model.model_fields["kind"].annotation)[0] for model in DECISIONS]
    withdrawn = [get_args(model.model_fields["kind"].annotation)[0] for model in WITHDRAWALS]
    assert withdrawn == [f"{kind}_withdrawn" for kind in kinds]


def test_the_topics_are_those_of_the_contract() -> None:
    assert get_args(InputTopic) == INPUT_TOPICS
    assert INPUT_TOPICS == ("order-status", "complaints", "seller-accounts", "account-requests")
    assert OUTPUT_TOPICS == (
        "suspensions",
        "reactivation-expiries",
        "company-terminations",
        "account-terminations",
        "restorations",
        "request-outcomes",
        "account-notices",
        "account-standing",
        "dead-letters",
    )
    assert [topic.name for topic in TOPICS if topic.cleanup == "compact"] == ["account-standing"]
