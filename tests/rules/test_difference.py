"""The difference: what is in force after it, by `effective_at` and then `sequence`, is the judgement as it stands."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.rules.story import policy
from workers.rules.decisions import Decision
from workers.rules.difference import Difference, Published, difference


def decision(name: str, at: int = 0) -> Decision:
    return Decision("account_enrolled", "E1", "a", None, at, name, policy().stamp, (), "active", "active")


def published(*decisions: Decision) -> list[Published]:
    """The decisions as they were published, numbered in the order given."""
    return [
        Published(each.id, each.kind, each.effective_at, number, each.content)
        for number, each in enumerate(decisions, 1)
    ]


def in_words(found: Difference, *known: Decision) -> str:
    """The causes of what is withdrawn, and of what is published."""
    names = {each.id: each.cause for each in known}
    withdrawn, again = [names[each.decision_id] for each in found.withdraw], [each.cause for each in found.publish]
    return f"-{''.join(withdrawn)} +{''.join(again)}"


A, B, C, LATER = decision("a"), decision("b"), decision("c"), decision("l", 1)


def found(decided: Sequence[Decision], before: Sequence[Decision]) -> str:
    return in_words(difference(decided, published(*before)), *before)


def test_what_follows_a_newly_published_decision_at_the_same_instant_is_published_again_behind_it() -> None:
    assert found([A, B, C, LATER], [A, C, LATER]) == "-c +bc"
    assert found([A, B, C, LATER], [B, C, LATER]) == "-cb +abc"
    assert found([A, B, C, LATER], [A, B, LATER]) == "- +c"


def test_decisions_of_one_instant_that_only_changed_their_places_are_published_again() -> None:
    assert found([B, A, LATER], [A, B, LATER]) == "-a +a"
    assert found([A, C, B, LATER], [A, B, C, LATER]) == "-b +b"


def test_what_is_no_longer_decided_is_withdrawn_and_what_follows_it_stays() -> None:
    assert found([A, C, LATER], [A, B, C, LATER]) == "-b +"
    assert found([B, LATER], [LATER, B]) == "- +"


ALL = [decision(name, at) for at in range(3) for name in "abcd"]


@given(st.lists(st.sampled_from(ALL), unique_by=id), st.lists(st.sampled_from(ALL), unique_by=id))
def test_whatever_was_in_force_the_judgement_is_in_force_in_its_order(
    decided: list[Decision], before: list[Decision]
) -> None:
    decided = sorted(decided, key=lambda each: each.effective_at)  # stable: any order within an instant
    change = difference(decided, published(*before))
    withdrawn = {each.sequence for each in change.withdraw}
    kept = [(number, each) for number, each in enumerate(before, 1) if number not in withdrawn]
    in_force = kept + list(enumerate(change.publish, len(before) + 1))
    in_force.sort(key=lambda each: (each[1].effective_at, each[0]))
    assert [each for _, each in in_force] == decided
