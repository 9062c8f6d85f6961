"""Every example under `schemas/examples` is what its directory says: valid, or invalid."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from contracts.catalogue import MESSAGES, messages_of
from contracts.generate import SCHEMAS
from contracts.kinds import WITHDRAWN
from contracts.topics import INPUT_TOPICS, Topic

EXAMPLES = SCHEMAS / "examples"
CARRIED = {topic.value: messages_of(topic) for topic in Topic}


def examples(judgement: str) -> list[Any]:
    found = sorted(EXAMPLES.glob(f"*/{judgement}/*.json"))
    return [pytest.param(path, id=f"{path.parent.parent.name}-{path.stem}") for path in found]


def names_for(path: Path) -> list[str]:
    """The messages that the topic of an example carries and that its `kind`, if there is one, may mean."""
    carried = CARRIED[path.parent.parent.name]
    if len(carried) == 1:
        return list(carried)
    kind = json.loads(path.read_bytes())["kind"]
    return [kind] if kind in carried else list(carried)


@cache
def validator(name: str) -> Draft202012Validator:
    """The published schema of a message."""
    schema = json.loads((SCHEMAS / "messages" / f"{name}.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", examples("valid"))
def test_a_valid_example_passes_the_model_and_the_json_schema(path: Path) -> None:
    (name,) = names_for(path)
    TypeAdapter(MESSAGES[name]).validate_json(path.read_bytes())
    validator(name).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("path", examples("invalid"))
def test_an_invalid_example_fails_the_model_that_of_an_input_in_one_field_only(path: Path) -> None:
    for name in names_for(path):
        with pytest.raises(ValidationError) as refused:
            TypeAdapter(MESSAGES[name]).validate_json(path.read_bytes())
        fields = {error["loc"][:1] for error in refused.value.errors()}
        assert len(fields) == 1 or path.parent.parent.name not in INPUT_TOPICS


def is_json(path: Path) -> bool:
    """Whether a file is JSON by the letter of RFC 8259, which Python's own reader does not go by."""
    try:
        from_json(path.read_bytes(), allow_inf_nan=False)
    except ValueError:
        return False
    return True


# Python's `$` also stands before a last newline; a field more is for the publisher to avoid, readers ignore it.
NOT_FOR_A_SCHEMA = {"white_space_after_time", "field_of_another_kind", "withdrawal_with_decision_id"}
FOR_A_SCHEMA = [
    each for each in examples("invalid") if is_json(each.values[0]) and each.values[0].stem not in NOT_FOR_A_SCHEMA
]


@pytest.mark.parametrize("path", FOR_A_SCHEMA)
def test_an_invalid_example_that_is_json_fails_the_json_schema_too(path: Path) -> None:
    for name in names_for(path):
        assert not validator(name).is_valid(json.loads(path.read_bytes()))


def test_every_message_has_a_valid_example_and_every_topic_invalid_ones() -> None:
    valid = {name for parameter in examples("valid") for name in names_for(parameter.values[0])}
    alike = {name for name in MESSAGES if name.endswith(WITHDRAWN)}  # but for their kinds
    assert valid >= MESSAGES.keys() - alike
    assert {path.parent.parent.name for path in EXAMPLES.glob("*/invalid/*.json")} == set(CARRIED)
