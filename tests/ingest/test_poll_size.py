"""The limit of a poll follows the backlog and the time of the units of work."""

from workers.ingest.poll_size import FIRST, LONGEST_SECONDS, PollSize


def test_it_grows_while_polls_are_full_and_units_of_work_quick_up_to_the_setting() -> None:
    size = PollSize(3 * FIRST)
    seen = []
    for _ in range(3):
        size.polled(size.records)
        size.worked(0.01)
        seen.append(size.records)
    assert seen == [2 * FIRST, 3 * FIRST, 3 * FIRST]


def test_it_stays_where_a_poll_was_not_full_or_a_unit_of_work_took_its_time() -> None:
    size = PollSize(3 * FIRST)
    size.polled(FIRST - 1)
    size.worked(0.01)
    assert size.records == FIRST
    size.polled(FIRST)
    size.worked(LONGEST_SECONDS)
    assert size.records == FIRST


def test_it_shrinks_while_units_of_work_are_slow_and_never_to_nothing() -> None:
    size = PollSize(3 * FIRST)
    size.worked(LONGEST_SECONDS * 2)
    assert size.records == FIRST // 2
    for _ in range(20):
        size.worked(LONGEST_SECONDS * 2)
    assert size.records == FIRST // 10
    small = PollSize(1)
    small.worked(LONGEST_SECONDS * 2)
    assert small.records == 1
