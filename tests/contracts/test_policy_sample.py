"""The policy file that is shipped: the announcement's numbers, and a violation table that says it is a sample."""

import tomllib
from datetime import datetime, timedelta, timezone

from contracts.generate import SCHEMAS

SAMPLE = SCHEMAS / "policies" / "2016-02.toml"


def test_the_shipped_policy_holds_the_numbers_of_the_announcement() -> None:
    china = timezone(timedelta(hours=8))
    assert tomllib.loads(SAMPLE.read_text(encoding="utf-8")) == {
        "id": "2016-02",
        "effective_from": datetime(2016, 2, 1, tzinfo=china),
        "time_zone": "Asia/Shanghai",
        "day_count": "calendar",
        "inactivity_days": 180,
        "activation_days": 15,
        "lockout_days": 30,
        "reapply_days": 90,
        "inactivity_notices": [30, 7, 1],
        "activation_notices": [3, 1],
        "exempt_causes": ["onetouch_unable"],
        "violations": {
            "refusal_of_trade_assurance": {"penalty": "terminate", "exempt_causes": ["terms_not_agreed"]},
            "late_shipment": {"penalty": "terminate", "after": 3, "within_days": 90},
        },
    }


def test_the_shipped_violation_table_is_labelled_a_sample() -> None:
    comments = [line for line in SAMPLE.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert any("SAMPLE" in line and "violation table" in line for line in comments)
