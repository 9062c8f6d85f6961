"""One step of the exhaustion: sequences of facts go on by every letter, and each end is compared with the model.

Sequences after which the engine's state is the same in all that later steps read go on as one. It owns no rule;
`alphabet` says what is tried, `exhaustion` runs it.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from unittest.mock import patch

from tests.model.naive import Result, walk
from tests.properties.alphabet import LETTERS, WORLD
from tests.properties.arriving import Arrival
from tests.properties.comparing import in_order, of_message, of_model
from tests.properties.strategies import FAR
from tests.support.rules_engine import decode
from workers.codec.batch import Batch
from workers.enforcement import evaluate
from workers.rules.calendar import Instant
from workers.rules.company import Termination
from workers.rules.facts import History
from workers.rules.judge import Judgement, judge
from workers.rules.policy import Policies
from workers.store.records import MINUS_INFINITY

Read = tuple[int, ...]
MESSAGES = tuple(LETTERS.values())
TIMES = {
    "live": "after each fact deadlines are enforced up to the newest one read",
    "quiet": "nothing is decided by a deadline until all is read",
    "ahead": "all deadlines are enforced first, so that every fact is late",
}


class State(NamedTuple):
    """Where sequences arrive that go on as one: the first of them, and how many they are."""

    passing: str
    read: Read
    sequences: int


class Reached(NamedTuple):
    """A state one fact later: the digest of all that later steps read of it."""

    digest: bytes
    state: State


class Expanded(NamedTuple):
    """What came of going on from some states by every letter: how much was run, and what differs from the model."""

    steps: int
    sequences: int
    reached: list[Reached]
    differs: State | None


JUDGEMENTS: dict[Hashable, Judgement] = {}
REMEMBERED = 30_000
"""Judgements that a process keeps at most."""


class Judge:
    """The model's word on each set of facts, compared field by field when the set is met first."""

    def __init__(self) -> None:
        self._right: dict[tuple[int, Instant], int] = {}

    def differs(self, engine: Arrival, read: Read) -> bool:
        """Whether the engine's decisions in force and standings are not the model's at the watermark it reached."""
        known = self._right.get((letters_of(read), engine.watermark))
        rows = [(row.standing, row.standing_digest) for _, row in sorted(engine.rows.items())]
        now = hash((contents(engine), tuple(rows)))
        if known is not None:
            return now != known
        if differences(engine, read) is not None:
            return True
        self._right[letters_of(read), engine.watermark] = now
        return False


def differences(engine: Arrival, read: Read) -> str | None:
    """What the engine and the model say of these facts where that is not the same."""
    expected = told(read, engine.watermark)
    ours, theirs = (
        in_order(of_message(each.value) for each in engine.net()),
        in_order(map(of_model, expected.decisions)),
    )
    if ours != theirs:
        only_ours = "\n".join(f"  engine only: {row}" for row in ours if row not in theirs)
        only_theirs = "\n".join(f"  model only:  {row}" for row in theirs if row not in ours)
        return (
            f"{only_ours}\n{only_theirs}".strip("\n") or f"  in another order: {ours}\n  by the model:     {theirs}"
        )
    for account_id, row in engine.rows.items():
        standing = expected.accounts[account_id].standing
        if row.standing != standing:
            return f"  {account_id} is {row.standing}, by the model {standing}"
        broken = engine.breaks_the_rule(account_id)
        if broken is not None:
            return f"  {account_id} is said to be {broken}"
    return None


def told(read: Read, watermark: Instant) -> Result:
    """What the model says of these facts."""
    return walk([MESSAGES[letter] for letter in read], WORLD.model, watermark)


def remembered(
    account_id: str,
    history: History,
    terminations: Mapping[str, Sequence[Termination]],
    policies: Policies,
    watermark: Instant,
) -> Judgement:
    """The judgement, asked for only once for the same: it is a function of what it is given."""
    key = (
        account_id,
        history,
        tuple(sorted((name, tuple(each)) for name, each in terminations.items() if each)),
        watermark,
    )
    found = JUDGEMENTS.get(key)
    if found is None:
        if len(JUDGEMENTS) >= REMEMBERED:
            JUDGEMENTS.clear()
        found = JUDGEMENTS[key] = judge(account_id, history, terminations, policies, watermark)
    return found


def letters_of(read: Read) -> int:
    """The set of the letters of a sequence, one bit each."""
    found = 0
    for letter in read:
        found |= 1 << letter
    return found


def contents(engine: Arrival) -> bytes:
    """The decisions in force as a subscriber sorts them, in one digest."""
    together = blake2b(digest_size=16)
    for (_, subject), of_one in sorted(engine.store.tables.in_force.items()):
        if of_one:
            together.update(subject.encode())
        for each in sorted(of_one.values(), key=lambda each: each.effective_at):
            together.update(each.content)
    return together.digest()


def digest(engine: Arrival, read: Read) -> bytes:
    """All that later steps read: facts, rows, spans, what stands. Of a row's sequence they ask whether it is > 1.

    Of the sequences of what stands they ask for the order within an instant.
    """
    rows = [row._replace(sequence=min(row.sequence, 2)) for _, row in sorted(engine.rows.items())]
    spans = sorted((name, sorted(of_one.items())) for name, of_one in engine.store.tables.spans.items())
    said = repr((letters_of(read), rows, spans, contents(engine), engine.watermark))
    return blake2b(said.encode(), digest_size=16).digest()


@cache
def batches() -> tuple[Batch, ...]:
    """Each letter as the ingest worker decodes it."""
    return tuple(decode([message], WORLD.policies) for message in MESSAGES)


def step(engine: Arrival, letter: int, passing: str) -> None:
    """One more fact is read, and time passes."""
    if passing == "live":
        engine.process(batches()[letter], engine.watermark)
        engine.wakes(MESSAGES[letter][1]["occurred_at"])
    else:
        engine.process(batches()[letter], MINUS_INFINITY if passing == "quiet" else FAR)


def after(read: Read, passing: str) -> Arrival:
    """The engine after a sequence of facts."""
    engine = Arrival(WORLD.policies)
    for letter in read:
        step(engine, letter, passing)
    return engine


JUDGE = Judge()
"""One for each process."""


def expand(states: list[State], last: bool, apart: bool) -> Expanded:
    """Go on from each state by every letter, and compare; ends at the first difference."""
    with patch.object(evaluate, "judge", remembered):
        return _expand(states, last, apart)


def _expand(states: list[State], last: bool, apart: bool) -> Expanded:
    steps, sequences = 0, 0
    reached: list[Reached] = []
    for passing, read, number in states:
        engine = after(read, passing)
        for letter in range(len(MESSAGES)):
            further, now = engine.copy(), (*read, letter)
            found = State(passing, now, number)
            step(further, letter, passing)
            steps, sequences = steps + 1, sequences + number
            wrong = JUDGE.differs(further, now)
            if not wrong and not last:
                name = repr((passing, now)).encode() if apart else digest(further, now)
                reached.append(Reached(name, found))
            further.wakes(FAR)
            if wrong or JUDGE.differs(further, now):
                return Expanded(steps, sequences, reached, found)
    return Expanded(steps, sequences, reached, None)
