"""What to publish: the difference between a judgement and the decisions in force.

Wrong decisions are withdrawn, newest first; then the missing decisions are published in the order of the judgement.
A decision whose content changed is withdrawn and published again under its id. So is a decision that follows a newly
published one at the same instant. The decisions in force, sorted by `effective_at` and then `sequence`, are therefore
always in the order of the judgement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from workers.rules.calendar import Instant
from workers.rules.decisions import Decision


class Published(NamedTuple):
    """A decision in force: published under `sequence` and not withdrawn."""

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
    """What turns the decisions in force, `published`, into `decided`."""
    if not published:
        return Difference((), tuple(decided))
    by_content = {each.content: each for each in published}
    kept: set[int] = set()
    publish: list[Decision] = []
    at: Instant | None = None
    last: float = 0  # sequence of the last one kept at this instant; infinite after one that must be published
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
