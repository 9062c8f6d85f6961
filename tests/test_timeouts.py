"""Time limits are in the order that the engine relies on, and every file that repeats one says the same."""

import re
from pathlib import Path

import pytest

from workers import timeouts
from workers.settings import Settings

PROJECT = Path(__file__).parents[1]
ROLES = (PROJECT / "schemas" / "postgres" / "roles.sql").read_text()
DOCUMENTS = " ".join(
    word for name in ("operations", "monitoring") for word in (PROJECT / "docs" / f"{name}.md").read_text().split()
)
SAID = [
    ("A stop takes up to {} seconds", timeouts.GRACE_SECONDS),
    ("order, each for {} seconds", timeouts.CONNECT_SECONDS),
    ("did what the worker asked within the last {} seconds", timeouts.READY_SECONDS),
    ("statement may take {} seconds", timeouts.STATEMENT_SECONDS),
    ("decisions are unpublished* for over {} seconds", timeouts.STUCK_SECONDS),
    ("deadlines are overdue* by over {} seconds", timeouts.STUCK_SECONDS),
]


@pytest.mark.parametrize(("shorter", "longer", "why"), timeouts.ORDER, ids=[why for _, _, why in timeouts.ORDER])
def test_each_limit_is_shorter_than_what_relies_on_it(shorter: float, longer: float, why: str) -> None:
    assert 0 < shorter < longer, why


def test_the_watchdog_of_the_settings_is_the_one_that_is_compared() -> None:
    assert Settings().watchdog_seconds == timeouts.WATCHDOG_SECONDS


@pytest.mark.parametrize(("words", "seconds"), SAID, ids=[words for words, _ in SAID])
def test_the_documents_say_the_same(words: str, seconds: float) -> None:
    assert words.format(f"{seconds:.0f}") in DOCUMENTS


def of_role(role: str, setting: str) -> str:
    """What the roles' file sets."""
    [found] = re.findall(rf"alter role {role} set {setting} = '(\w+)'", ROLES)
    return str(found)


@pytest.mark.parametrize("role", ["standing_worker", "standing_relay", "standing_reader"])
def test_a_role_has_the_limits_of_a_session(role: str) -> None:
    assert of_role(role, "statement_timeout") == f"{timeouts.STATEMENT_SECONDS}s"
    assert of_role(role, "idle_in_transaction_session_timeout") == f"{timeouts.IDLE_IN_TRANSACTION_SECONDS}s"
    assert int(of_role(role, "lock_timeout")[:-1]) <= timeouts.LOCK_SECONDS


def test_the_owner_may_migrate_for_as_long_as_a_session_of_an_operator() -> None:
    assert of_role("standing_owner", "statement_timeout") == f"{timeouts.OPERATOR_STATEMENT_SECONDS // 60}min"
    assert of_role("standing_owner", "lock_timeout") == f"{timeouts.LOCK_SECONDS}s"


def test_no_module_has_a_limit_of_its_own() -> None:
    """What is no limit but a pace stands beside its loop, under a name that no `timeout` is given."""
    for path in sorted((PROJECT / "workers").rglob("*.py")):
        literal = re.search(r"\btimeout(_ms)?(=|\()\d", path.read_text())
        assert literal is None, f"{path.name}: {literal}"
