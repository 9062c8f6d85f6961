"""Backing off: how long, how often, and that a success ends it."""

import asyncio
import random

import pytest

from workers.ops.backoff import Backoff, try_once


class Refusal(Exception):
    """Something that may pass."""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, each as long as it may be."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(random, "uniform", lambda _shortest, longest: longest)
    return found


async def test_pauses_double_up_to_the_longest_and_the_last_try_raises_its_error(pauses: list[float]) -> None:
    heard: list[Exception] = []
    backoff = Backoff(6, heard.append, first_seconds=0.5, longest_seconds=3.0)
    errors = [Refusal(str(number)) for number in range(6)]
    for error in errors[:5]:
        await backoff.failed(error)
    with pytest.raises(Refusal, match="5"):
        await backoff.failed(errors[5])
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert heard == errors


async def test_a_pause_is_between_half_of_its_length_and_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(shortest: float, longest: float) -> float:
        asked.append((shortest, longest))
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    await Backoff(2, first_seconds=0.5).failed(Refusal())
    assert asked == [(0.25, 0.5)]


async def test_after_a_success_the_next_failure_is_a_first_one(pauses: list[float]) -> None:
    backoff = Backoff(2, first_seconds=0.5)
    for _ in range(4):
        await backoff.failed(Refusal())
        backoff.succeeded()
    assert pauses == [0.5] * 4


async def test_work_that_fails_for_a_transient_reason_is_given_up_for_now_and_other_errors_are_raised(
    pauses: list[float],
) -> None:
    backoff = Backoff(2, first_seconds=0.5)

    async def fails() -> int:
        raise Refusal

    async def works() -> int:
        return 7

    for _ in range(3):
        assert await try_once(fails, backoff, (Refusal,)) is None
        assert await try_once(works, backoff, (Refusal,)) == 7
    with pytest.raises(Refusal):
        await try_once(fails, backoff, (OSError,))
    assert pauses == [0.5] * 3
