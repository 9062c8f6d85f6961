"""A bad policy file stops the start with a message that names the file and the field (CONTRACTS)."""

import re
from pathlib import Path

import pytest

from tests.support.policies import SAMPLE
from workers.codec.policies import BadPolicy, load_policies, read_policies

GOOD = SAMPLE.read_text(encoding="utf-8")


def changed(field: str, value: str) -> str:
    """The shipped policy with another value in one of its lines."""
    text, count = re.subn(rf"^{field} = .*$", f"{field} = {value}", GOOD, flags=re.MULTILINE)
    assert count == 1
    return text


def refused(*texts: str) -> str:
    """What is said of the last of these files."""
    files = [(f"{number}.toml", text.encode()) for number, text in enumerate(texts)]
    with pytest.raises(BadPolicy) as error:
        read_policies(files)
    return str(error.value)


def test_two_policies_have_neither_one_id_nor_one_start() -> None:
    other_id, other_start = changed("id", '"other"'), changed("effective_from", "2017-02-01T00:00:00+08:00")
    assert refused(GOOD, other_start) == "1.toml: id: '2016-02' is the id of 0.toml too"
    start = "2016-01-31T16:00:00.000000Z"
    assert refused(GOOD, other_id) == f"1.toml: effective_from: {start} is that of 0.toml too"
    in_utc = other_id.replace("2016-02-01T00:00:00+08:00", "2016-01-31T16:00:00Z")
    assert refused(GOOD, in_utc) == f"1.toml: effective_from: {start} is that of 0.toml too"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", '""'),
        ("effective_from", "2016-02-01T00:00:00"),
        ("time_zone", '"Asia/Shanghai2"'),
        ("day_count", '"business"'),
        ("inactivity_days", "0"),
        ("inactivity_days", "36501"),
        ("inactivity_days", "180.0"),
        ("activation_days", "0"),
        ("lockout_days", "0"),
        ("reapply_days", "0"),
        ("inactivity_notices", "[30, 7, 7]"),
        ("activation_notices", "[0]"),
    ],
)
def test_a_bad_value_names_its_file_and_field(field: str, value: str) -> None:
    said = refused(changed(field, value))
    assert said.startswith("0.toml: ")
    assert field in said


def test_days_may_be_one_and_a_hundred_years() -> None:
    for days in (1, 36_500):
        [policy] = read_policies([("p.toml", changed("inactivity_days", str(days)).encode())]).all
        assert policy.inactivity_days == days


def test_a_misspelt_field_and_a_missing_one_are_named() -> None:
    assert refused(f"inactivity_day = 180\n{GOOD}") == "0.toml: Object contains unknown field `inactivity_day`"
    without = re.sub(r"^lockout_days = .*$", "", GOOD, flags=re.MULTILINE)
    assert refused(without) == "0.toml: Object missing required field `lockout_days`"
    in_a_row = GOOD.replace("within_days = 90", "within_day = 90", 1)
    assert refused(in_a_row) == "0.toml: violations.late_shipment: Object contains unknown field `within_day`"


def test_no_file_and_no_directory_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match="no policy file"):
        load_policies(tmp_path)
    with pytest.raises(BadPolicy, match="STANDING_POLICIES is not a directory"):
        load_policies(tmp_path / "none")
    assert refused("id = ").startswith("0.toml: not a TOML file")
