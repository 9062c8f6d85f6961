"""A command needs only what it uses: the brake and what is looked up work without Kafka, files without any server."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.support.deployment import Deployment
from tests.support.raw import send_to

NOWHERE = "127.0.0.1:1"


async def test_the_brake_and_what_is_looked_up_work_without_kafka(deployment: Deployment, tmp_path: Path) -> None:
    send_to(deployment, "complaints", 0, [{"case_id": "[/x]\u202e"}], b"a")
    with deployment.working():
        deployment.drain()
    alone = replace(deployment, environment=deployment.environment | {"STANDING_KAFKA_BOOTSTRAP": NOWHERE})

    assert alone.standing("hold", "an [red]emergency").stdout == "held: an [red]emergency\n"
    assert "held: an [red]emergency\n" in deployment.standing("status", check=False).stdout
    refused = alone.standing("release", check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"standing: a server cannot be reached: Kafka at {NOWHERE}")
    assert alone.standing("release", "--force").returncode == 0

    assert alone.standing("log").stdout.startswith("decision_log_000: ")
    assert "complaints/0/0" in alone.standing("dead-letters", "list").stdout
    assert json.loads(alone.standing("dead-letters", "show", "complaints/0/0").stdout)["reason"] == "invalid_message"
    for words, said in [
        (("explain", "nobody"), "standing: no fact of account 'nobody' was ever read\n"),
        (("company", "id:none"), "standing: no account ever belonged to a company 'id:none'; keys begin with"),
    ]:
        looked_up = alone.standing(*words, check=False)
        assert looked_up.returncode == 2
        assert looked_up.stderr.startswith(said)

    no_policies = replace(alone, environment=alone.environment | {"STANDING_POLICIES": str(tmp_path / "none")})
    assert no_policies.standing("hold", "they are gone").returncode == 0


@pytest.mark.parametrize("topic", ["complaints", "standing-relay-checkpoints"])
async def test_a_missing_topic_is_one_line(deployment: Deployment, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"], "log_level": 0})
    for deleted in admin.delete_topics([deployment.prefix + topic]).values():
        await asyncio.wrap_future(deleted)
    while deployment.prefix + topic in admin.list_topics(timeout=10).topics:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.05)
    for command in ("status", "drain"):
        missing = deployment.standing(command, check=False)
        assert (missing.returncode, missing.stdout) == (2, "")
        assert missing.stderr.count("\n") == 1
        assert deployment.prefix + topic in missing.stderr


def test_files_are_made_and_decided_without_any_server(tmp_path: Path) -> None:
    alone = Deployment({"STANDING_KAFKA_BOOTSTRAP": NOWHERE, "STANDING_DATABASE_URL": f"postgresql://{NOWHERE}/none"})
    history, decisions = str(tmp_path / "history.jsonl"), str(tmp_path / "decisions.jsonl")
    alone.standing("generate", "--accounts", "20", "--companies", "5", "--out", history)
    alone.standing("replay", history, "--write", decisions)
    assert alone.standing("replay", history, "--against", decisions).stdout.splitlines()[-1].startswith("equal: ")


@pytest.mark.parametrize("words", [("hold", "x"), ("release", "--force"), ("explain", "x"), ("dead-letters", "list")])
def test_an_unreachable_database_is_reported_in_one_line(words: tuple[str, ...]) -> None:
    alone = Deployment({"STANDING_KAFKA_BOOTSTRAP": NOWHERE, "STANDING_DATABASE_URL": f"postgresql://{NOWHERE}/none"})
    away = alone.standing(*words, check=False)
    assert (away.returncode, away.stdout) == (2, "")
    assert away.stderr.startswith(f"standing: a server cannot be reached: PostgreSQL at {NOWHERE} cannot be reached")
    assert away.stderr.count("\n") == 1
