"""Names from slots: no two processes of one machine have one at a time, and the lowest free one is taken."""

import socket
import tempfile
from pathlib import Path

import pytest

from workers.ops.slots import take_slot


def named(number: int) -> str:
    """The name of a slot: the host's, the part that the machine keeps, and the number."""
    [kept] = Path(tempfile.gettempdir()).glob("standing-slots-*/identity")
    return f"{socket.gethostname()}-{kept.read_text()}-{number}"


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Slots that no process outside this test takes."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))


def test_two_processes_have_two_names_and_the_next_one_takes_the_lowest_free_name() -> None:
    with take_slot("ingest") as first:
        with take_slot("ingest") as second, take_slot("ingest") as third:
            assert (first, second, third) == (named(0), named(1), named(2))
        with take_slot("ingest") as again:
            assert again == named(1)
    with take_slot("ingest") as again:
        assert again == named(0)


def test_each_purpose_has_slots_of_its_own() -> None:
    with take_slot("a group") as one, take_slot("another group") as other:
        assert one == other == named(0)


def test_a_name_that_is_given_is_taken_as_it_is() -> None:
    with take_slot("ingest", "mine") as one, take_slot("ingest", "mine") as other:
        assert one == other == "mine"
