"""Dead letters that are sent back: as they were read, once, and each reason with what it needs to be taken in."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.engine import Engine, check_promises, net
from tests.support.facts import asks, case, enrolled, paid
from tests.support.policies import SAMPLE
from tests.support.raw import send_to, stored
from tests.support.status import until_status

HEADERS = [("trace\u00e9", b"\xff\xfe"), ("empty", b"")]


def letters(engine: Engine) -> Counter[tuple[str, str]]:
    """How many dead letters there are, by topic and reason."""
    found = engine.standing("dead-letters", "list", "--limit", "1000", "--json").stdout
    return Counter((each["topic"], each["reason"]) for each in json.loads(found))


def enrolled_ids(engine: Engine) -> set[str]:
    return {each["account_id"] for each in net(engine.published()).values() if each["kind"] == "account_enrolled"}


def test_a_redriven_record_is_the_one_that_was_read_and_is_sent_once(engine: Engine) -> None:
    _, _, fields = enrolled("large", "2016-03-01 10:00")
    assert isinstance(fields, dict)
    large = fields | {"padding": "x" * 5000}
    small = replace(engine, environment={**engine.environment, "STANDING_MAX_RECORD_BYTES": "4000"})
    with small.working():
        send_to(engine, "seller-accounts", 2, [large], b"\xff key", HEADERS)
        send_to(engine, "seller-accounts", 2, [large | {"padding": "x" * 70_000}, b"{", None])
        engine.drain()
    with engine.working():
        assert engine.standing("dead-letters", "redrive", "seller-accounts/2/0").stdout.startswith("1 sent back")
        engine.drain()
        assert enrolled_ids(engine) == {"large"}
        first, *_, last = stored(engine, "seller-accounts", 2)
        assert last.value() == first.value() == json.dumps(large).encode()
        assert last.key() == b"\xff key"
        assert last.headers() == [*HEADERS, ("standing-redriven-from", b"seller-accounts/2/0")]
        again = engine.standing("dead-letters", "redrive", "seller-accounts/2/0").stdout
        assert again == ("0 sent back to their topics\nseller-accounts/2/0: already sent back, not sent again\n")
        assert last.offset() == stored(engine, "seller-accounts", 2)[-1].offset()

        everything = engine.standing("dead-letters", "redrive", "--all", check=False)
        assert everything.returncode == 1  # one of them cannot be sent
        assert "2 sent back to their topics" in everything.stdout
        assert "refused: seller-accounts/2/1: of its 70" in everything.stdout
        engine.drain()
        assert letters(engine) == {
            ("seller-accounts", "too_large"): 2,
            ("seller-accounts", "invalid_json"): 4,  # those two are no better the second time
        }
        assert len(stored(engine, "seller-accounts", 2)) == 7
        shown = engine.standing("dead-letters", "redrive", "seller-accounts/2/99", check=False)
        assert shown.returncode == 2
        assert "no dead letter at seller-accounts/2/99" in shown.stderr
        assert engine.standing("dead-letters", "redrive", check=False).returncode == 2
    check_promises(engine.published())


def test_each_reason_is_redriven_with_what_it_needs(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / SAMPLE.name).write_text(SAMPLE.read_text())
    engine = replace(engine, environment={**engine.environment, "STANDING_POLICIES": str(tmp_path)})
    ahead = datetime.now(UTC) + timedelta(minutes=5, seconds=15)
    _, _, early = enrolled("early", "2016-03-01 10:00", "ahead")
    assert isinstance(early, dict)
    with engine.working():
        engine.send([enrolled("busy", "2016-03-01 10:00")])
        engine.send([("seller-accounts", "early", early | {"occurred_at": ahead.isoformat()})])
        engine.send([case("busy", "2016-03-03 10:00", category="new_one", case_id="k1")])
        engine.send([asks("busy", f"2016-03-05 10:00:{number:02}", request_id=f"r{number}") for number in range(51)])
        engine.send([paid("busy", "2016-03-06 10:00")])
        engine.drain()
    assert letters(engine) == {
        ("seller-accounts", "occurred_in_future"): 1,
        ("complaints", "unknown_category"): 1,
        ("account-requests", "too_many_requests"): 1,
    }
    newer = SAMPLE.read_text().replace("2016-02", "2099-01").replace("late_shipment", "new_one")  # id and start
    (tmp_path / "2099-01.toml").write_text(
        newer.replace("effective_from = 2016-02-01", "effective_from = 2099-01-01")
    )
    engine.standing("setup")
    with engine.working():
        engine.standing("dead-letters", "redrive", "--reason", "unknown_category", "--reason", "too_many_requests")
        engine.drain()
        assert letters(engine)["complaints", "unknown_category"] == 1
        assert letters(engine)["account-requests", "too_many_requests"] == 2  # the day is as full as it was
        until_status(engine, lambda _: datetime.now(UTC) > ahead - timedelta(minutes=5))
        engine.standing("dead-letters", "redrive", "--topic", "seller-accounts", "--since", "2016-01-01T00:00:00Z")
        engine.drain()
        assert letters(engine)["seller-accounts", "occurred_in_future"] == 1
        assert enrolled_ids(engine) == {"busy", "early"}
    explained = json.loads(engine.standing("explain", "busy", "--json").stdout)
    assert "k1" in json.dumps(explained["facts"])
    check_promises(engine.published())
