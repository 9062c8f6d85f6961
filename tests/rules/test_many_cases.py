"""An account with thousands of cases: each is judged (T1) in a time that does not grow with those before it."""

from pathlib import Path

import pytest

from tests.model.story import local
from workers.codec.policies import load_policies
from workers.rules.company import case_effects
from workers.rules.facts import CaseFact, Company, History, RegistryFact
from workers.rules.policy import Policy

POLICIES = load_policies(Path(__file__).parents[2] / "schemas" / "policies")
MANY = 1_000


@pytest.mark.parametrize("taken_back", [False, True])
def test_the_periods_worked_out_for_thousands_of_cases_grow_with_their_number_alone(
    monkeypatch: pytest.MonkeyPatch, taken_back: bool
) -> None:
    asked = 0
    real = Policy.period_end

    def counted(self: Policy, start: int, days: int) -> int:
        nonlocal asked
        asked += 1
        return real(self, start, days)

    monkeypatch.setattr(Policy, "period_end", counted)
    start = local("2016-03-01")
    cases: list[CaseFact] = []
    for number in range(MANY):
        for offset, outcome in enumerate(["upheld", "dismissed"] if taken_back else ["upheld"]):
            at = start + (number * 2 + offset + 1) * 60_000_000
            cases.append(
                CaseFact(at, f"e{number}-{outcome}", f"k{number}", "buyer_complaint", "late_shipment", outcome)
            )
    registry = RegistryFact(start, "e", "enrolled", Company("id:c", "C"))
    effects = case_effects("a", History((registry,), tuple(cases)), POLICIES)
    assert len(effects.terminations) == (0 if taken_back else MANY - 2)
    assert asked <= 4 * MANY
