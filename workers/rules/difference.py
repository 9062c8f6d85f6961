"""What is to be published: the judgement less what was already published and not withdrawn.

Owns the comparison alone. Wrong decisions are withdrawn newest first, then the missing ones published in the
order of the judgement; a decision whose content changed is withdrawn and published anew under its old id.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    standing = {each.content for each in published}
    right = {decision.content for decision in decided}
    wrong = sorted((each for each in published if each.content not in right), key=lambda each: -each.sequence)
    return Difference(tuple(wrong), tuple(decision for decision in decided if decision.content not in standing))
