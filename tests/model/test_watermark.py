"""The model enforces deadlines up to the watermark only."""

import pytest

from tests.model.story import activation, case, closed, enrolled, local, only, order, play, told

# As in test_suspension: the first notice at 10 July, the end at 9 August.
FIRST_NOTICE = local("2016-07-10")
SUSPENDED = local("2016-08-09")
ENROLLED = enrolled("2016-02-10")


@pytest.mark.parametrize(("watermark", "notices"), [(FIRST_NOTICE - 1, 0), (FIRST_NOTICE, 1), (FIRST_NOTICE + 1, 1)])
def test_a_deadline_is_judged_at_the_watermark_itself_and_not_beyond(watermark: int, notices: int) -> None:
    result = play(ENROLLED, watermark=watermark)
    assert len(result.decisions) == 1 + notices
    assert (result.accounts["a"].standing, result.accounts["a"].deferred_from) == ("active", None)


@pytest.mark.parametrize(("watermark", "standing"), [(SUSPENDED - 1, "active"), (SUSPENDED, "suspended")])
def test_an_end_is_enforced_at_the_watermark_itself_and_not_beyond(watermark: int, standing: str) -> None:
    assert play(ENROLLED, watermark=watermark).accounts["a"].standing == standing


def test_a_fact_before_the_deadline_counts_whatever_the_watermark() -> None:
    result = play(ENROLLED, order(FIRST_NOTICE - 1), watermark=local("2016-03-01"))
    # The local day 9 July + 180: 22 days to 31 July, then 53, 83, 114, 144, 175 (31 December): 5 January is day 180.
    assert result.accounts["a"].deadline == local("2017-01-06")
    assert result.accounts["a"].deferred_from is None


@pytest.mark.parametrize("fact", [
    order(FIRST_NOTICE), activation(SUSPENDED), closed("2016-09-01"), case("2016-09-01", category="rude"),
])  # fmt: skip
def test_everything_of_an_account_from_a_deadline_beyond_the_watermark_on_waits(
    fact: tuple[str, dict[str, object]],
) -> None:
    result = play(ENROLLED, fact, watermark=FIRST_NOTICE - 1)
    assert told(result, notices=True) == [("account_enrolled", "E1", local("2016-02-10"))]
    account = result.accounts["a"]
    assert (account.standing, account.deadline, account.deferred_from) == ("active", SUSPENDED, FIRST_NOTICE)


def test_what_was_judged_before_the_waiting_stays() -> None:
    result = play(ENROLLED, closed("2016-09-01"), watermark=FIRST_NOTICE)
    assert told(result, notices=True)[1:] == [("suspension_notice", "S6", FIRST_NOTICE)]
    assert result.accounts["a"].deferred_from == local("2016-08-02")


def test_an_account_with_deferred_facts_delays_no_other_and_its_case_terminates_the_company() -> None:
    # b had an order on 1 July and is judged at the case; a's first notice lies beyond the watermark: a waits.
    at = local("2016-08-01")
    result = play(
        ENROLLED, enrolled("2016-02-10", "b"), order("2016-07-01", "b"), case(at), watermark=local("2016-07-05")
    )
    assert told(result, "id:c") == [("company_terminated", "T2", at)]
    assert told(result, "b")[1:] == [("account_terminated", "T2", at)]
    assert (result.accounts["a"].standing, result.accounts["a"].deferred_from) == ("active", FIRST_NOTICE)


def test_the_registry_of_an_account_that_waits_counts_for_its_company() -> None:
    # a waits, but moved to d before its case: d is terminated and c is not.
    result = play(
        ENROLLED, enrolled("2016-07-20", "a", "d"), enrolled("2016-07-19", "x", "d"), case("2016-08-01"),
        watermark=local("2016-07-05"),
    )  # fmt: skip
    assert only(result, "company_terminated").subject == "id:d"
    assert result.accounts["x"].standing == "terminated"
    assert result.accounts["a"].company == "id:d"


def test_a_suspended_account_has_no_deadline_and_never_waits() -> None:
    result = play(ENROLLED, order("2017-08-01"), watermark=SUSPENDED)
    assert told(result)[1:] == [
        ("account_suspended", "S1", SUSPENDED),
        ("account_restored", "S2", local("2017-08-01")),
    ]
