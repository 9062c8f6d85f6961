"""Penalties, terminations, re-application and newcomers (T1 to T5) in the model."""

import pytest

from tests.model.calendar import Instant
from tests.model.naive import Result
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

# Terminated on 1 March 2016: 30 days to 31 March, 60 to 30 April; 30 May is day 90, the end 00:00 of 31 May.
REAPPLY = local("2016-05-31")
TWO = (enrolled("2016-02-10", "a"), enrolled("2016-02-11", "b"))


def penalties(result: Result) -> list[tuple[str, str | None]]:
    """Warnings of account a and terminations of company c, each with its case, in order."""
    kinds = {"violation_warned", "company_terminated"}
    return [(one.kind, one.case_id) for one in result.decisions if one.kind in kinds]


def test_t1_t2_one_upheld_case_terminates_every_account_of_the_company() -> None:
    result = play(*TWO, enrolled("2016-02-12", "x", "other"), case("2016-03-01 10:00"), watermark=local("2016-04-01"))
    at = local("2016-03-01 10:00")
    assert told(result, "id:c") == [("company_terminated", "T2", at)]
    for account in ("a", "b"):
        assert told(result, account)[1:] == [("account_terminated", "T2", at)]
        decision = only(result, "account_terminated", account)
        assert (decision.root_account_id, decision.case_id, decision.case_event_id) == ("a", "k", "k-upheld")
        assert (decision.cause, decision.reapply_from, decision.source) == ("k-upheld\na", REAPPLY, "buyer_complaint")
        assert result.accounts[account].reapply_from == REAPPLY
    assert result.accounts["x"].standing == "active"
    company = only(result, "company_terminated")
    assert (company.account_id, company.topic, company.cause) == (None, "company-terminations", "k-upheld\na")


def test_t1_a_finding_of_the_platform_needs_no_complaint() -> None:
    result = play(*TWO, case("2016-03-01", source="platform_inspection"), watermark=local("2016-04-01"))
    assert only(result, "company_terminated").source == "platform_inspection"


def test_t1_a_warning_changes_no_standing_and_no_penalty_decides_nothing() -> None:
    result = play(
        *TWO, case("2016-03-01", case_id="k1", category="rude"), case("2016-03-02", case_id="k2", category="small"),
        watermark=local("2016-04-01"),
    )  # fmt: skip
    warned = only(result, "violation_warned")
    assert (warned.clause, warned.case_id, warned.cause) == ("T1", "k1", "k1-upheld\na")
    assert (warned.standing_before, warned.standing_after) == ("active", "active")
    assert penalties(result) == [("violation_warned", "k1")]


# The first case of three on 1 March: within 90 days ends at 00:00 of 31 May, as above.
@pytest.mark.parametrize(("third_at", "penalty"), [
    (REAPPLY - 1, "company_terminated"), (REAPPLY, "violation_warned"), (REAPPLY + 1, "violation_warned"),
])  # fmt: skip
def test_t1_the_third_case_terminates_while_the_first_still_counts(third_at: Instant, penalty: str) -> None:
    result = play(
        *TWO, case("2016-03-01 10:00", case_id="k1", category="late"),
        case("2016-03-02", case_id="k2", category="late"),
        case(third_at, case_id="k3", category="late"), watermark=third_at,
    )  # fmt: skip
    assert penalties(result) == [("violation_warned", "k1"), ("violation_warned", "k2"), (penalty, "k3")]


def test_t1_each_further_case_terminates_again_and_another_category_or_account_does_not_count() -> None:
    result = play(
        *TWO,
        case("2016-03-01", case_id="k1", category="late"),
        case("2016-03-02", case_id="k2", category="rude"),
        case("2016-03-03", case_id="k3", category="late"),
        case("2016-03-04", case_id="k4", category="late", account="b"),
        case("2016-03-05", case_id="k5", category="late"),
        case("2016-03-06", case_id="k6", category="late"),
        watermark=local("2016-04-01"),
    )
    assert penalties(result) == [
        ("violation_warned", "k1"), ("violation_warned", "k2"),
        ("violation_warned", "k3"), ("violation_warned", "k4"),
        ("company_terminated", "k5"), ("company_terminated", "k6"),
    ]  # fmt: skip
    again = [one for one in result.decisions if one.kind == "account_terminated" and one.case_id == "k6"]
    assert [(one.subject, one.standing_before) for one in again] == [("a", "terminated"), ("b", "terminated")]
    assert result.accounts["a"].since == local("2016-03-05")


def test_t1_one_case_upheld_twice_counts_once() -> None:
    result = play(
        *TWO, case("2016-03-01", case_id="k1", category="late"),
        case("2016-03-02", case_id="k1", category="late", event_id="again"),
        case("2016-03-03", case_id="k2", category="late"), watermark=local("2016-04-01"),
    )  # fmt: skip
    assert penalties(result) == [("violation_warned", "k1"), ("violation_warned", "k2")]


def test_t2_an_account_that_left_before_is_spared_and_one_that_joined_at_the_instant_is_terminated() -> None:
    at = local("2016-03-01")
    result = play(*TWO, enrolled(at, "a", "d"), enrolled(at, "x", "c"), case(at, account="b"), watermark=at)
    assert result.accounts["a"].standing == "active"
    assert told(result, "x") == [("account_enrolled", "E1", at), ("account_terminated", "T2", at)]


def test_t2_a_company_without_open_accounts_is_terminated_all_the_same() -> None:
    result = play(enrolled("2016-02-10"), closed("2016-02-20"), case("2016-03-01"))
    assert told(result, "id:c") == [("company_terminated", "T2", local("2016-03-01"))]
    assert result.accounts["a"].standing == "closed"


@pytest.mark.parametrize(("asked_at", "reason"), [(REAPPLY - 1, "too_early"), (REAPPLY, None), (REAPPLY + 1, None)])
def test_t3_re_application_is_accepted_from_the_end_of_the_90_days_on(asked_at: Instant, reason: str | None) -> None:
    result = play(*TWO, case("2016-03-01 10:00"), reapplication(asked_at), watermark=asked_at)
    answer = result.decisions[-1]
    assert (answer.reason, answer.not_before) == ((reason, REAPPLY) if reason else (None, None))
    assert answer.clause == "T3"
    assert answer.kind == ("reapplication_refused" if reason else "reapplication_accepted")
    assert result.accounts["a"].standing == ("terminated" if reason else "active")
    # 31 May + 180: 30 days to 30 June, then 61, 92, 122, 153 (31 October), 183: 27 November is day 180.
    # (One microsecond before it is 30 May, but then nothing runs.)
    assert result.accounts["a"].deadline == (None if reason else local("2016-11-28"))


def test_t3_the_latest_of_several_terminations_counts_and_an_account_that_is_not_terminated_is_refused() -> None:
    # 11 March: 20 days to 31 March, 50 to 30 April, 81 to 31 May: 9 June is day 90, the end 10 June.
    result = play(
        *TWO, reapplication("2016-02-20", request="q1"), case("2016-03-01", case_id="k1"),
        case("2016-03-11", case_id="k2", account="b"), reapplication(REAPPLY, request="q2"),
        reapplication("2016-06-10", request="q3"), watermark=local("2016-06-10"),
    )  # fmt: skip
    answers = [one for one in result.decisions if one.request_id]
    assert [(one.request_id, one.reason, one.not_before) for one in answers] == [
        ("q1", "not_terminated", None), ("q2", "too_early", local("2016-06-10")), ("q3", None, None),
    ]  # fmt: skip
    own = [one.reapply_from for one in result.decisions if one.kind == "account_terminated" and one.subject == "a"]
    assert own == [REAPPLY, local("2016-06-10")]


@pytest.mark.parametrize(("joined_at", "standing"), [
    (REAPPLY - 1, "terminated"), (REAPPLY, "active"), (REAPPLY + 1, "active"),
])  # fmt: skip
def test_t4_an_account_that_enrols_under_a_terminated_company_is_terminated_until_its_90_days_are_over(
    joined_at: Instant, standing: str
) -> None:
    result = play(*TWO, case("2016-03-01 10:00"), enrolled(joined_at, "x", event="r"), watermark=joined_at)
    assert result.accounts["x"].standing == standing
    if standing == "terminated":
        assert told(result, "x") == [("account_enrolled", "E1", joined_at), ("account_terminated", "T4", joined_at)]
        hit = only(result, "account_terminated", "x")
        assert (hit.cause, hit.reapply_from, hit.standing_before) == ("k-upheld\na\nr", REAPPLY, "active")


def test_t4_an_account_that_moves_is_terminated_by_each_termination_that_does_not_apply_to_it_already() -> None:
    result = play(
        enrolled("2016-02-10", "a"), enrolled("2016-02-11", "b"), case("2016-03-01", case_id="k1"),
        enrolled("2016-03-02", "b", "d"), case("2016-03-03", case_id="k2"),
        enrolled("2016-03-04", "b", "c", event="back"), watermark=local("2016-04-01"),
    )  # fmt: skip
    hits = [one for one in result.decisions if one.kind == "account_terminated" and one.subject == "b"]
    assert [(one.clause, one.case_id, one.cause) for one in hits] == [
        ("T2", "k1", "k1-upheld\na"), ("T4", "k2", "k2-upheld\na\nback"),
    ]  # fmt: skip


def test_t4_an_enrolment_that_repeats_the_company_is_no_coming_under_it() -> None:
    result = play(
        *TWO, case("2016-03-01"), reapplication(REAPPLY), enrolled("2016-06-01", event="again"),
        watermark=local("2016-06-02"),
    )  # fmt: skip
    assert result.accounts["a"].standing == "active"


def test_t5_termination_ends_periods_and_lock_outs_and_orders_restore_nothing() -> None:
    # Suspended 9 August, activated 10 August: the termination of 20 August ends that activation.
    # 20 August: 11 days to 31 August, 41, 72 (31 October): 18 November is day 90, the end 19 November.
    result = play(
        enrolled("2016-02-10"), activation("2016-08-10", request="q1"), case("2016-08-20"), order("2016-08-21"),
        activation("2016-08-22", request="q2"), activation("2016-11-20", request="q3"),
    )  # fmt: skip
    assert told(result, notices=True)[6:] == [
        ("account_terminated", "T2", local("2016-08-20")),
        ("activation_refused", "S3", local("2016-08-22")),
        ("activation_refused", "S3", local("2016-11-20")),
    ]
    refusals = [one for one in result.decisions if one.kind == "activation_refused"]
    assert [(one.reason, one.not_before) for one in refusals] == [("terminated", local("2016-11-19"))] * 2


def test_two_names_that_fold_to_one_are_one_company_and_an_id_and_a_name_never_match() -> None:
    def named(account: str, name: str, company_id: str | None = None) -> tuple[str, dict[str, object]]:
        topic, content = enrolled("2016-02-10", account)
        return topic, content | {"company_name": name, "company_id": company_id}

    # NFKC makes the full-width letters plain; case folding makes STRASSE and straße one.
    result = play(
        named("a", "ACME  Straße"), named("b", " ａｃｍｅ STRASSE\u3000"), named("x", "other", "acme strasse"),
        case("2016-03-01"), watermark=local("2016-04-01"),
    )  # fmt: skip
    assert told(result, "name:acme strasse") == [("company_terminated", "T2", local("2016-03-01"))]
    assert [result.accounts[one].standing for one in ("a", "b", "x")] == ["terminated", "terminated", "active"]


def test_a_suspended_account_is_terminated_too() -> None:
    result = play(enrolled("2016-02-10"), case("2016-08-20"))
    assert only(result, "account_terminated").standing_before == "suspended"


def test_at_the_very_end_of_a_period_the_suspension_comes_first_and_the_case_after_it() -> None:
    result = play(enrolled("2016-02-10"), case("2016-08-09"), order("2016-08-09"))
    assert told(result)[1:] == [
        ("account_suspended", "S1", local("2016-08-09")),
        ("account_terminated", "T2", local("2016-08-09")),
    ]


def test_the_penalty_is_that_of_the_policy_in_force_at_the_outcome() -> None:
    milder = policy(
        id="mild", effective_from="2016-03-01T00:00:00+08:00", violations={"refusal": {"penalty": "warn"}},
        reapply_days=1,
    )  # fmt: skip
    for at, kind, judged_by in (
        (local("2016-03-01") - 1, "company_terminated", "p"),
        (local("2016-03-01"), "violation_warned", "mild"),
    ):
        result = play(*TWO, case(at), policies=(milder, policy()), watermark=at)
        assert only(result, kind).policy_id == judged_by
