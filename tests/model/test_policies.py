"""Policies that follow one another, the time before the first, and their files, in the model."""

import hashlib
from pathlib import Path

from tests.model.policies import load_policies
from tests.model.story import (
    activation,
    case,
    closed,
    enrolled,
    local,
    only,
    order,
    play,
    policy,
    reapplication,
    told,
)

FIRST = local("2016-02-01")


def test_a_period_is_judged_by_the_policy_in_force_when_it_started() -> None:
    # The short policy starts on 1 March; 20 days from 1 March end at 00:00 of 22 March.
    short = policy(id="short", effective_from="2016-03-01T00:00:00+08:00", inactivity_days=20)
    before = play(enrolled("2016-02-10"), order(local("2016-03-01") - 1), policies=(policy(), short))
    after = play(enrolled("2016-02-10"), order("2016-03-01"), policies=(policy(), short))
    # 29 February + 180: 31 days to 31 March, 61, 92, 122, 153 (31 July): 27 August is day 180.
    assert (only(before, "account_suspended").effective_at, only(before, "account_suspended").policy_id) == (
        local("2016-08-28"), "p",
    )  # fmt: skip
    assert (only(after, "account_suspended").effective_at, only(after, "account_suspended").policy_id) == (
        local("2016-03-22"), "short",
    )  # fmt: skip


def test_a_lock_out_is_judged_by_the_policy_in_force_at_the_expiry_and_the_expiry_by_that_of_the_activation() -> None:
    # Activated 10 August, expired at 00:00 of 26 August, where the other policy starts: one day, the 27th.
    other = policy(id="other", effective_from="2016-08-26T00:00:00+08:00", lockout_days=1, activation_days=99)
    result = play(enrolled("2016-02-10"), activation("2016-08-10"), policies=(policy(), other))
    expired = only(result, "reactivation_expired")
    assert (expired.effective_at, expired.policy_id) == (local("2016-08-26"), "p")
    assert expired.locked_out_until == local("2016-08-28")


def test_a_termination_keeps_the_days_and_the_policy_of_its_instant_for_newcomers_too() -> None:
    longer = policy(id="long", effective_from="2016-03-02T00:00:00+08:00", reapply_days=300)
    result = play(
        enrolled("2016-02-10"), case("2016-03-01"), enrolled("2016-03-05", "x"), policies=(policy(), longer),
        watermark=local("2016-03-05"),
    )  # fmt: skip
    for account in ("a", "x"):
        hit = only(result, "account_terminated", account)
        assert (hit.reapply_from, hit.policy_id) == (local("2016-05-31"), "p")
    assert only(result, "account_enrolled", "x").policy_id == "long"


def test_before_the_first_policy_nothing_is_decided_and_the_registry_counts_in_deadline() -> None:
    result = play(
        enrolled("2015-01-01", "a"), order("2015-06-01", "a"), case("2015-07-01", account="a"),
        activation(FIRST - 1, "a", "q1"), reapplication(FIRST - 1, "a", "q2"), activation(FIRST - 1, "z", "q3"),
        enrolled("2015-01-01", "b"), closed("2015-02-01", "b"), enrolled("2015-03-01", "m"),
        enrolled("2015-04-01", "m", "d"), watermark=local("2016-02-02"),
    )  # fmt: skip
    assert result.decisions == []
    standings = {name: (one.standing, one.company) for name, one in result.accounts.items()}
    assert standings == {
        "a": ("active", "id:c"), "b": ("closed", "id:c"), "m": ("active", "id:d"), "z": ("not_enrolled", None),
    }  # fmt: skip
    # The clock starts with the policy: 1 February + 180: 28 days to 29 February, 59, 89, 120, 150 (30 June):
    # 30 July is day 180.
    assert result.accounts["a"].deadline == local("2016-07-31")


def test_at_the_very_start_of_the_first_policy_facts_are_decided() -> None:
    result = play(enrolled(FIRST), activation(FIRST), watermark=FIRST)
    assert [kind for kind, _, _ in told(result)] == ["account_enrolled", "activation_refused"]
    assert play(enrolled(FIRST - 1), watermark=FIRST).decisions == []


def test_e2_enrolling_again_after_a_closing_without_decisions_is_a_re_enrolment() -> None:
    result = play(enrolled("2015-01-01"), closed("2015-02-01"), enrolled("2016-02-10"), watermark=local("2016-03-01"))
    assert told(result) == [("account_enrolled", "E2", local("2016-02-10"))]
    assert only(result, "account_enrolled").standing_before == "closed"


def test_a_case_upheld_before_the_first_policy_is_in_force_but_neither_counts_nor_can_be_upheld_again() -> None:
    late = {"category": "late"}
    result = play(
        enrolled("2015-01-01"),
        *(case("2016-01-30", case_id=f"k{number}", **late) for number in (1, 2)),
        case("2016-01-30", case_id="r"),
        case("2016-03-01", case_id="r", event_id="again"),
        case("2016-03-02", case_id="k3", **late),
        watermark=local("2016-03-03"),
    )
    assert told(result) == [("violation_warned", "T1", local("2016-03-02"))]
    assert only(result, "violation_warned").case_id == "k3"


def test_before_the_first_policy_there_is_no_exemption() -> None:
    # Exempt today, but then it was upheld; so the next one repeats it.
    result = play(
        enrolled("2015-01-01"), case("2015-07-01", cause="onetouch_unable"), case("2016-03-01", event_id="again"),
        watermark=local("2016-03-02"),
    )  # fmt: skip
    assert result.decisions == []


def test_a_category_of_another_policy_only_has_no_penalty() -> None:
    later = policy(id="later", effective_from="2017-01-01T00:00:00+08:00", violations={"new": {"penalty": "warn"}})
    early = play(enrolled("2016-02-10"), case("2016-03-01", category="new"), policies=(policy(), later),
                 watermark=local("2016-03-02"))  # fmt: skip
    assert (told(early)[1:], early.dead_letters) == ([], [])


def test_without_any_policy_nothing_is_decided() -> None:
    result = play(enrolled("2016-02-10"), order("2016-02-11"), activation("2016-02-12"), policies=())
    assert result.decisions == []
    assert result.accounts["a"].standing == "active"


def test_policy_files_are_read_with_their_digest_the_earliest_first(tmp_path: Path) -> None:
    second = b'id = "second"\neffective_from = 2017-01-01T00:00:00+08:00\nday_count = "elapsed"\n'
    first = (
        b'id = "first"\neffective_from = 2016-02-01T00:00:00+08:00\ntime_zone = "Europe/Berlin"\n'
        b'[violations.refusal]\npenalty = "terminate"\nafter = 2\nminimum_order_value = '
        b'{ value = "50.00", currency = "USD" }\n'
    )
    (tmp_path / "a.toml").write_bytes(second)
    (tmp_path / "b.toml").write_bytes(first)
    policies = load_policies(tmp_path)
    assert [one.id for one in policies] == ["first", "second"]
    assert policies[0].digest == hashlib.sha256(first).hexdigest()
    assert policies[0].effective_from == FIRST
    assert (policies[0].zone.key, policies[0].day_count, policies[1].day_count) == (
        "Europe/Berlin", "calendar", "elapsed",
    )  # fmt: skip
    row = policies[0].violations["refusal"]
    assert (row.penalty, row.after, row.within_days, str(row.minimum_order_value)) == ("terminate", 2, None, "50.00")
