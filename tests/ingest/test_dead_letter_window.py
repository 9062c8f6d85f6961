"""The limits of a partition's dead letters: where they are reached, and that batches make no difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.codec.batch import Batch, Rejected
from workers.codec.decoding import Read
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.decoded import Decoded
from workers.ingest.partition import PartitionBatch

PLACE = ("order-status", 0)


@dataclass(frozen=True, slots=True)
class At:
    """A record, as far as counting goes."""

    offset: int
    topic: str = PLACE[0]
    partition: int = PLACE[1]
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def records(kinds: str, first: int = 0, step: int = 1) -> tuple[list[At], list[int]]:
    """Records from `.` (good) and `x` (dead letter), and the offsets of the dead letters."""
    made = [At(first + step * index) for index in range(len(kinds))]
    return made, [record.offset for record, kind in zip(made, kinds, strict=True) if kind == "x"]


def read_until(kinds: str, before: DeadLetterWindow | None = None) -> int | None:
    """After how many records, read in one batch, the partition is paused."""
    return (before or DeadLetterWindow()).limit(*records(kinds))


def test_a_hundred_dead_letters_in_a_row_are_too_many() -> None:
    assert read_until("x" * 99 + "." * 10) is None
    assert read_until("..." + "x" * 150) == 103
    assert read_until("x" * 99 + "." + "x" * 99) is None


def test_over_five_percent_of_a_thousand_records_are_too_many() -> None:
    assert read_until("." * 950 + "x" * 50 + "." * 2000) is None
    assert read_until("." * 950 + "x" * 51 + "." * 50) == 1001
    assert read_until("." * 5000 + "x." * 51) == 5101


def test_a_share_is_that_of_a_thousand_records_and_not_of_fewer() -> None:
    assert read_until("x." * 60) is None
    assert read_until("x." * 60 + "." * 879) is None
    assert read_until("x." * 60 + "." * 880 + "...") == 1000


def test_old_dead_letters_are_forgotten() -> None:
    assert read_until(("x" * 50 + "." * 950) * 5) is None
    window = DeadLetterWindow().after(*records("x" * 50 + "." * 1000))
    assert window == DeadLetterWindow(counted=1050)
    assert window.is_clean


def test_gaps_between_offsets_do_not_count() -> None:
    made, dead = records("x" * 120, first=7, step=1000)
    assert DeadLetterWindow().limit(made, dead) == 100
    assert DeadLetterWindow().after(made, dead).paused == "100 dead letters in a row, up to offset 99007"


def test_accepted_records_do_not_count_and_those_behind_them_do() -> None:
    assert read_until("x" * 500, DeadLetterWindow(accepted_until=500)) is None
    assert read_until("x" * 500, DeadLetterWindow(accepted_until=400)) == 500
    assert read_until("x" * 500, DeadLetterWindow(accepted_until=401)) is None
    accepted = DeadLetterWindow(accepted_until=500)
    assert accepted.after(*records("x" * 500)) == accepted


def naive(kinds: str) -> int | None:
    """The same, record by record, straight from the rule."""
    for read in range(1, len(kinds) + 1):
        window = kinds[max(0, read - 1000) : read]
        if kinds[:read].endswith("x" * 100) or (len(window) == 1000 and window.count("x") > 50):
            return read
    return None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([".", "x", "x....................", "x..................."]), st.integers(1, 120)),
        max_size=30,
    ),
    st.integers(1, 700),
)
def test_however_records_are_batched_the_same_record_is_the_last(runs: list[tuple[str, int]], size: int) -> None:
    kinds = "".join(kind * times for kind, times in runs)
    window = DeadLetterWindow()
    found: int | None = None
    for first in range(0, len(kinds), size):
        made = records(kinds[first : first + size], first)
        read, window = window.limit(*made), window.after(*made)
        if read is not None:
            found = first + read
            break
    assert found == naive(kinds)


def rejected(offsets: Sequence[int], reason: str) -> list[Rejected]:
    return [Rejected(At(offset), PLACE[0], reason, "") for offset in offsets]


def part(made: Sequence[At], unreadable: Sequence[Rejected] = ()) -> Decoded:
    """A decoded batch of which some records cannot be read."""
    batch = PartitionBatch(*PLACE, 1, made[0].offset, made[-1].offset + 1, made)
    return Decoded(batch, Batch(rejected=[*unreadable]), Read())


def test_conflicting_duplicates_count_and_one_sellers_flood_of_requests_does_not() -> None:
    made = [At(offset) for offset in range(200)]

    def refused(reason: str) -> DeadLetterWindow:
        return part(made).window_after(DeadLetterWindow(), rejected(range(200), reason))

    assert refused("conflicting_duplicate").paused == "100 dead letters in a row, up to offset 99"
    assert refused("too_many_requests") == DeadLetterWindow(counted=200)


def test_a_window_survives_its_owner() -> None:
    bad, dead = records("x" * 60, first=2000)
    window = part(bad[:40], rejected(dead[:40], "invalid_json")).window_after(DeadLetterWindow(counted=2000), [])
    assert not window.is_clean
    successor = DeadLetterWindow.of(window.row(PLACE))
    assert successor == window
    assert successor.limit(*records("x" * 80, first=2040)) == 11
