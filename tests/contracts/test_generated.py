"""The files of `schemas` say what the models say."""

from typing import get_args

from contracts.catalogue import MESSAGES, messages_of
from contracts.decision_parts import InputTopic
from contracts.generate import SCHEMAS, generated
from contracts.kinds import DECISIONS
from contracts.topics import INPUT_TOPICS, OUTPUT_TOPICS, Topic

STALE = "run `python -m contracts.generate` and commit what it changes"


def test_the_generated_files_are_those_of_the_models() -> None:
    stored = [*(SCHEMAS / "messages").glob("*"), SCHEMAS / "asyncapi.json"]
    texts = {path.relative_to(SCHEMAS).as_posix(): path.read_text(encoding="utf-8") for path in stored}
    assert texts == generated(), STALE


def test_every_message_is_carried_by_exactly_one_topic() -> None:
    carried = [name for topic in Topic for name in messages_of(topic)]
    assert sorted(carried) == sorted(MESSAGES)


def test_every_decision_and_its_withdrawal_have_a_model_that_names_kind_and_rules() -> None:
    for kind in DECISIONS:
        decision, withdrawal = MESSAGES[kind.name].model_fields, MESSAGES[f"{kind.name}_withdrawn"].model_fields
        assert get_args(decision["kind"].annotation) == (kind.name,)
        assert get_args(decision["clause"].annotation) == kind.clauses
        assert get_args(withdrawal["kind"].annotation) == (f"{kind.name}_withdrawn",)
        assert ("account_id" in decision, "account_id" in withdrawal) == (not kind.of_company,) * 2


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
    assert [topic.value for topic in Topic if topic.cleanup == "compact"] == ["account-standing"]
