"""A partition of mostly dead letters rests, alone, through restarts, until an operator accepts it."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.flows.engine import Engine, check_promises, net
from tests.flows.facts import enrolled, paid
from tests.flows.raw import send_to

BAD = [b'{"status": "paid"}'] * 250


def status(engine: Engine) -> tuple[int, dict[str, Any]]:
    """Exit code and content of `standing status --json`."""
    done = engine.standing("status", "--json", check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def until(engine: Engine, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first status of which it is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, found = status(engine)
        if true(found):
            return found
    raise AssertionError(found)


def of_kind(engine: Engine, kind: str) -> set[str]:
    return {each["account_id"] for each in net(engine.published()).values() if each["kind"] == kind}


def test_a_hundred_bad_records_in_a_row_pause_their_partition_until_accepted(engine: Engine) -> None:
    late, prevented = paid("silent", "2016-08-20 10:00"), "account_suspended_withdrawn"
    with engine.working():
        engine.send([enrolled("silent", "2016-03-01 10:00"), enrolled("idle", "2016-03-01 10:00", "other")])
        engine.drain()
        send_to(engine, "order-status", 1, [paid("early", "2016-03-02 10:00")[2], *BAD, late[2]])
        until(engine, lambda found: "order-status/1" in found["paused"])
        engine.send([enrolled("clock", "2016-09-01 10:00", "third")])
        send_to(engine, "order-status", 0, [paid("clock", "2016-09-10 10:00")[2]])
        found = until(engine, lambda found: sum(found["lag"].values()) == 151)
        assert found["paused"] == {"order-status/1": "100 dead letters in a row, up to offset 100"}
        assert found["lag"]["order-status/1"] == 151
        code, _ = status(engine)
        assert code == 1
        [line] = [line for line in found["stuck"] if "paused" in line]
        assert line.endswith("`standing dead-letters accept order-status 1`")
        assert engine.standing("drain", "--timeout", "1", check=False).returncode == 1
        letters = [each.value["offset"] for each in engine.published() if each.topic == "dead-letters"]
        assert sorted(letters) == list(range(1, 101))

    other = replace(engine, environment={**engine.environment, "STANDING_INSTANCE": "another"})
    with other.working():
        engine.send([enrolled("later", "2016-09-11 10:00", "fourth")])
        until(engine, lambda found: sum(found["lag"].values()) == 151 and not found["unpublished"])
        assert of_kind(engine, "account_enrolled") == {"silent", "idle", "clock", "later"}
        assert of_kind(engine, "account_suspended") == set()
        refused = engine.standing("dead-letters", "accept", "order-status", "0", check=False)
        assert (refused.returncode, refused.stderr) == (2, "standing: order-status/0 is not paused\n")
        engine.standing("dead-letters", "accept", "order-status", "1", "--records", "20")
        until(engine, lambda found: found["lag"]["order-status/1"] == 31 and bool(found["paused"]))
        accepted = engine.standing("dead-letters", "accept", "order-status", "1")
        assert accepted.stdout == "order-status/1 goes on: 31 records up to offset 252 are taken in as they are\n"
        other.drain()
        messages = engine.published()
    check_promises(messages)
    letters = [each.value["offset"] for each in messages if each.topic == "dead-letters"]
    assert sorted(letters) == list(range(1, 251))
    assert of_kind(engine, "account_suspended") == {"idle"}
    assert not [each for each in messages if each.value.get("kind") == prevented]
    assert status(engine)[0] == 0
