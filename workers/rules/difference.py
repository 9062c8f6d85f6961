"""What is to be published: the judgement less what was already published and not withdrawn.

Owns the comparison alone. Wrong decisions are withdrawn newest first, then the missing ones published in the
order of the judgement; a decision whose content changed is withdrawn and published again under its old id. So is
one that follows a published one at the same instant: the decisions in force, by `effective_at` and then
`sequence`, always stand in the order of the judgement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from workers.rules.calendar import Instant
from workers.rules.decisions import Decision


@dataclass(frozen=True, slots=True)
class Published:
    """A decision that stands: published under `sequence`, not withdrawn."""

    decision_id: str
    kind: str
    effective_at: Instant
    sequence: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """What to withdraw, newest first, and what to publish, in the order of the judgement."""

    withdraw: tuple[Published, ...]
    publish: tuple[Decision, ...]

    def __bool__(self) -> bool:
        return bool(self.withdraw or self.publish)


def difference(decided: Sequence[Decision], published: Sequence[Published]) -> Difference:
    """What turns the net of `published` into `decided`."""
    if not published:
        return Difference((), tuple(decided))
    by_content = {each.content: each for each in published}
    kept: set[int] = set()
    publish: list[Decision] = []
    at: Instant | None = None
    last: float = 0  # sequence at this instant; infinite once one of it is published
    for decision in decided:
        if decision.effective_at != at:
            at, last = decision.effective_at, 0
        before = by_content.get(decision.content)
        if before is not None and before.sequence > last:
            last = before.sequence
            kept.add(last)
        else:
            last = inf
            publish.append(decision)
    wrong = sorted((each for each in published if each.sequence not in kept), key=lambda each: -each.sequence)
    return Difference(tuple(wrong), tuple(publish))
