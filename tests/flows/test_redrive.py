"""Redriven dead letters: sent once, as they were read, and processed after the cause of each reason was removed."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.deployment import Deployment, check_promises, net
from tests.support.facts import asks, case, enrolled, paid
from tests.support.policies import SAMPLE
from tests.support.raw import send_to, stored
from tests.support.status import until_status

HEADERS = [("trace\u00e9", b"\xff\xfe"), ("empty", b"")]


def letters(deployment: Deployment) -> Counter[tuple[str, str]]:
    """How many dead letters there are, by topic and reason."""
    found = deployment.standing("dead-letters", "list", "--limit", "1000", "--json").stdout
    return Counter((each["topic"], each["reason"]) for each in json.loads(found))


def enrolled_ids(deployment: Deployment) -> set[str]:
    return {each["account_id"] for each in net(deployment.published()).values() if each["kind"] == "account_enrolled"}


def test_a_redriven_record_is_the_one_that_was_read_and_is_sent_once(deployment: Deployment) -> None:
    _, _, fields = enrolled("large", "2016-03-01 10:00")
    assert isinstance(fields, dict)
    large = fields | {"padding": "x" * 5000}
    small = replace(deployment, environment={**deployment.environment, "STANDING_MAX_RECORD_BYTES": "4000"})
    with small.working():
        send_to(deployment, "seller-accounts", 2, [large], b"\xff key", HEADERS)
        send_to(deployment, "seller-accounts", 2, [large | {"padding": "x" * 70_000}, b"{", None])
        deployment.drain()
    with deployment.working():
        assert deployment.standing("dead-letters", "redrive", "seller-accounts/2/0").stdout.startswith("1 sent back")
        deployment.drain()
        assert enrolled_ids(deployment) == {"large"}
        first, *_, last = stored(deployment, "seller-accounts", 2)
        assert last.value() == first.value() == json.dumps(large).encode()
        assert last.key() == b"\xff key"
        assert last.headers() == [*HEADERS, ("standing-redriven-from", b"seller-accounts/2/0")]
        again = deployment.standing("dead-letters", "redrive", "seller-accounts/2/0").stdout
        assert again == ("0 sent back to their topics\nseller-accounts/2/0: already sent back, not sent again\n")
        assert last.offset() == stored(deployment, "seller-accounts", 2)[-1].offset()

        everything = deployment.standing("dead-letters", "redrive", "--all", check=False)
        assert everything.returncode == 1  # one of them cannot be sent
        assert "2 sent back to their topics" in everything.stdout
        assert "refused: seller-accounts/2/1: only the SHA-256 and the first KiB of its 70" in everything.stdout
        deployment.drain()
        assert letters(deployment) == {
            ("seller-accounts", "too_large"): 2,
            ("seller-accounts", "invalid_json"): 4,  # those two are no better the second time
        }
        assert len(stored(deployment, "seller-accounts", 2)) == 7
        shown = deployment.standing("dead-letters", "redrive", "seller-accounts/2/99", check=False)
        assert shown.returncode == 2
        assert "no dead letter at seller-accounts/2/99" in shown.stderr
        assert deployment.standing("dead-letters", "redrive", check=False).returncode == 2
    check_promises(deployment.published())


def test_each_reason_is_redriven_with_what_it_needs(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / SAMPLE.name).write_text(SAMPLE.read_text())
    deployment = replace(deployment, environment={**deployment.environment, "STANDING_POLICIES": str(tmp_path)})
    ahead = datetime.now(UTC) + timedelta(minutes=5, seconds=15)
    _, _, early = enrolled("early", "2016-03-01 10:00", "ahead")
    assert isinstance(early, dict)
    with deployment.working():
        deployment.send([enrolled("busy", "2016-03-01 10:00")])
        deployment.send([("seller-accounts", "early", early | {"occurred_at": ahead.isoformat()})])
        deployment.send([case("busy", "2016-03-03 10:00", category="new_one", case_id="k1")])
        deployment.send(
            [asks("busy", f"2016-03-05 10:00:{number:02}", request_id=f"r{number}") for number in range(51)]
        )
        deployment.send([paid("busy", "2016-03-06 10:00")])
        deployment.drain()
    assert letters(deployment) == {
        ("seller-accounts", "occurred_in_future"): 1,
        ("complaints", "unknown_category"): 1,
        ("account-requests", "too_many_requests"): 1,
    }
    newer = SAMPLE.read_text().replace("2016-02", "2099-01").replace("late_shipment", "new_one")  # id and start
    (tmp_path / "2099-01.toml").write_text(
        newer.replace("effective_from = 2016-02-01", "effective_from = 2099-01-01")
    )
    deployment.standing("setup")
    with deployment.working():
        deployment.standing(
            "dead-letters", "redrive", "--reason", "unknown_category", "--reason", "too_many_requests"
        )
        deployment.drain()
        assert letters(deployment)["complaints", "unknown_category"] == 1
        assert letters(deployment)["account-requests", "too_many_requests"] == 2  # the day is as full as it was
        until_status(deployment, lambda _: datetime.now(UTC) > ahead - timedelta(minutes=5))
        deployment.standing(
            "dead-letters", "redrive", "--topic", "seller-accounts", "--since", "2016-01-01T00:00:00Z"
        )
        deployment.drain()
        assert letters(deployment)["seller-accounts", "occurred_in_future"] == 1
        assert enrolled_ids(deployment) == {"busy", "early"}
    explained = json.loads(deployment.standing("explain", "busy", "--json").stdout)
    assert "k1" in json.dumps(explained["facts"])
    check_promises(deployment.published())
