"""A short exhaustion, and proof that it reaches everything and can fail."""

from itertools import combinations

import pytest

from tests.model.decisions import TOPIC_OF_KIND
from tests.model.naive import walk
from tests.properties import alphabet
from tests.properties.alphabet import WORLD
from tests.properties.exhaustion import main
from tests.properties.stepping import MESSAGES
from tests.properties.strategies import FAR
from workers.enforcement import fast_path


@pytest.mark.model
def test_every_sequence_of_three_facts_ends_as_in_the_model() -> None:
    assert main(["--length", "3", "--processes", "2"]) == 0


def test_sequences_that_go_on_as_one_end_as_each_by_itself() -> None:
    assert main(["--length", "2", "--processes", "1", "--apart"]) == 0


def test_the_boundaries_of_the_alphabet_are_those_of_its_policy() -> None:
    first, second = WORLD.model
    assert first.period_end(alphabet.JOINED, first.inactivity_days) == alphabet.SUSPENDED
    assert first.notice_instant(alphabet.SUSPENDED, 1) == alphabet.NOTICE
    assert first.period_end(alphabet.SUSPENDED, first.activation_days) == alphabet.EXPIRED == second.effective_from
    assert second.period_end(alphabet.EXPIRED, second.lockout_days) == alphabet.UNLOCKED
    assert first.period_end(alphabet.UPHELD, first.reapply_days) == alphabet.REAPPLY
    within = first.violations["late"].within_days
    assert within is not None
    assert first.period_end(alphabet.JOINED, within) == alphabet.NOTICE


def test_three_facts_of_the_alphabet_reach_every_kind_of_decision_and_every_reason_of_a_refusal() -> None:
    decided = [each for three in combinations(MESSAGES, 3) for each in walk(three, WORLD.model, FAR).decisions]
    assert {each.kind for each in decided} == set(TOPIC_OF_KIND)
    assert {each.reason for each in decided if each.reason is not None} == {
        "locked_out", "not_suspended", "already_temporarily_active", "terminated", "not_enrolled", "too_early",
        "not_terminated",
    }  # fmt: skip


def test_a_fault_is_found_and_its_smallest_sequence_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fast_path, "begins_the_first_span", lambda *_, **__: True)
    assert main(["--length", "3", "--processes", "1"]) == 1
    said = capsys.readouterr().out
    assert "DIFFERS" in said
    assert "  2. " in said
    assert "  3. " not in said
