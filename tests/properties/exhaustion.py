"""`make exhaust`: every sequence of a few facts, in any order and doubled or not, compared with the naive model.

Shorter sequences come first, so the first that differs is a smallest one. Each is tried with three ways of time
passing. Two sequences after which the engine's state is the same in all that later steps read go on as one. It
owns no rule; what is tried stands in `alphabet`.
"""

import argparse
import os
import sys
import time
from collections.abc import Hashable, Sequence
from functools import cache, partial
from hashlib import blake2b
from multiprocessing import get_context
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.model.naive import Result, walk
from tests.properties.alphabet import LETTERS, WORLD
from tests.properties.arriving import Arrival
from tests.properties.comparing import in_order, of_engine, of_model
from tests.properties.rules_engine import decode
from tests.properties.strategies import FAR
from workers.codec.batch import Batch
from workers.rules.calendar import Instant
from workers.rules.decisions import Decision
from workers.rules.judge import Judgement
from workers.store.records import MINUS_INFINITY

Read = tuple[int, ...]
NAMES = tuple(LETTERS)
MESSAGES = tuple(LETTERS.values())
TIMES = {
    "live": "after each fact silence is decided up to the newest one read",
    "quiet": "nothing is decided on silence until all is read",
    "ahead": "all silence is decided at once, so that every fact is late",
}
CHUNK = 64
"""Sequences that a process goes on from at a time."""


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


class Judge:
    """The model's word on each set of facts, compared field by field when the set is met first."""

    def __init__(self) -> None:
        self._right: dict[tuple[int, Instant], int] = {}

    def differs(self, engine: Arrival, read: Read) -> bool:
        """Whether the engine's net decisions and standings are not the model's at the horizon it reached."""
        known = self._right.get((letters_of(read), engine.horizon))
        now = hash((contents(engine), tuple(row.standing for _, row in sorted(engine.rows.items()))))
        if known is not None:
            return now != known
        if differences(engine, read) is not None:
            return True
        self._right[letters_of(read), engine.horizon] = now
        return False


def differences(engine: Arrival, read: Read) -> str | None:
    """What the engine and the model say of these facts where that is not the same."""
    expected = told(read, engine.horizon)
    ours, theirs = in_order(map(of_engine, engine.net())), in_order(map(of_model, expected.decisions))
    if ours != theirs:
        only_ours = "\n".join(f"  engine only: {row}" for row in ours if row not in theirs)
        only_theirs = "\n".join(f"  model only:  {row}" for row in theirs if row not in ours)
        return f"{only_ours}\n{only_theirs}"
    for account_id, row in engine.rows.items():
        standing = expected.accounts[account_id].standing
        if row.standing != standing:
            return f"  {account_id} is {row.standing}, by the model {standing}"
    return None


def told(read: Read, horizon: Instant) -> Result:
    """What the model says of these facts."""
    return walk([MESSAGES[letter] for letter in read], WORLD.model, horizon)


class Remembering(Arrival):
    """An engine that asks the rules only once for the same: they are functions of what they are given."""

    __slots__ = ()

    def judgement(self, account_id: str, horizon: Instant) -> Judgement:
        known = self.known[account_id]
        terminations = tuple(each for of_one in self.terminations.values() for each in of_one)
        key = (account_id, tuple(known.facts), known.orders, terminations, horizon)
        found = JUDGEMENTS.get(key)
        if found is None:
            if len(JUDGEMENTS) >= REMEMBERED:
                JUDGEMENTS.clear()
            found = JUDGEMENTS[key] = super().judgement(account_id, horizon)
        return found

    def _publish(self, subject: str, decided: Sequence[Decision]) -> None:
        net = self.published.get(subject)
        if net is None or tuple(each.decision for each in net.values()) != decided:
            super()._publish(subject, decided)


def letters_of(read: Read) -> int:
    """The set of the letters of a sequence, one bit each."""
    found = 0
    for letter in read:
        found |= 1 << letter
    return found


def contents(engine: Arrival) -> int:
    """The net decisions, as the digests of their contents in one number."""
    together = 0
    for of_one in engine.published.values():
        for each in of_one.values():
            together ^= int.from_bytes(each.published.content)
    return together


def digest(engine: Arrival, read: Read) -> bytes:
    """All that later steps read: facts, rows, spans, what stands. Of a row's sequence they ask whether it is > 1."""
    rows = [row._replace(sequence=min(row.sequence, 2)) for _, row in sorted(engine.rows.items())]
    spans = [(account_id, account.orders) for account_id, account in sorted(engine.known.items())]
    said = repr((letters_of(read), rows, spans, contents(engine), engine.horizon))
    return blake2b(said.encode(), digest_size=16).digest()


@cache
def batches() -> tuple[Batch, ...]:
    """Each letter as the ingest worker decodes it."""
    return tuple(decode([message], WORLD.policies) for message in MESSAGES)


def step(engine: Arrival, letter: int, passing: str) -> None:
    """One more fact is read, and time passes."""
    if passing == "live":
        engine.take_in(batches()[letter], engine.horizon)
        engine.wakes(MESSAGES[letter][1]["occurred_at"])
    else:
        engine.take_in(batches()[letter], MINUS_INFINITY if passing == "quiet" else FAR)


def after(read: Read, passing: str) -> Arrival:
    """The engine after a sequence of facts."""
    engine = Remembering(WORLD.policies)
    for letter in read:
        step(engine, letter, passing)
    return engine


JUDGE = Judge()
"""One for each process."""


def expand(states: list[State], last: bool, apart: bool) -> Expanded:
    """Go on from each state by every letter, and compare; ends at the first difference."""
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


def run(length: int, processes: int, apart: bool, progress: Progress) -> tuple[list[tuple[int, int]], State | None]:
    """Every sequence up to a length: steps and sequences of each length, and the first state that differs."""
    layer = [State(passing, (), 1) for passing in TIMES]
    counted: list[tuple[int, int]] = []
    with get_context("spawn").Pool(processes) as pool:
        for now in range(1, length + 1):
            task = progress.add_task(f"length {now}", total=len(layer) * len(MESSAGES))
            layer.sort(key=lambda state: sorted(state.read))  # neighbours share facts, so the model is asked less
            chunks = [layer[first : first + CHUNK] for first in range(0, len(layer), CHUNK)]
            merged: dict[tuple[str, bytes], State] = {}
            steps = sequences = 0
            for found in pool.imap_unordered(partial(expand, last=now == length, apart=apart), chunks):
                steps, sequences = steps + found.steps, sequences + found.sequences
                progress.update(task, completed=steps)
                if found.differs is not None:
                    return [*counted, (steps, sequences)], found.differs
                for name, state in found.reached:
                    known = merged.get((state.passing, name))
                    together = state if known is None else known._replace(sequences=known.sequences + state.sequences)
                    merged[state.passing, name] = together
            counted.append((steps, sequences))
            layer = list(merged.values())
    return counted, None


def tell(differs: State) -> str:
    """A sequence that differs from the model, and how."""
    engine = after(differs.read, differs.passing)
    found = differences(engine, differs.read)
    if found is None:
        engine.wakes(FAR)
        found = differences(engine, differs.read)
    facts = "\n".join(f"  {number}. {NAMES[letter]}" for number, letter in enumerate(differs.read, 1))
    return f"DIFFERS ({differs.passing}: {TIMES[differs.passing]})\n{facts}\n{found}"


def main(arguments: list[str]) -> int:
    """Tries every sequence; 1 where one differs."""
    parser = argparse.ArgumentParser(prog="make exhaust", description=__doc__)
    parser.add_argument("--length", type=int, default=4, help="of the longest sequences; 5 takes up to an hour")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--apart", action="store_true", help="run each sequence by itself, equal states or not")
    chosen = parser.parse_args(arguments)
    console = Console()
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console.print(
        f"{len(LETTERS)} facts in every order, {len(TIMES)} ways of time passing, {chosen.processes} processes"
    )
    began = time.monotonic()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        counted, differs = run(chosen.length, chosen.processes, chosen.apart, progress)
    seconds = time.monotonic() - began
    for number, (steps, sequences) in enumerate(counted, 1):
        console.print(f"length {number}: {sequences:>13,} sequences in {steps:>11,} steps")
    sequences = sum(each for _, each in counted)
    steps = sum(each for each, _ in counted)
    rate = f"{seconds:,.0f} s, {sequences / seconds:,.0f} sequences and {steps / seconds:,.0f} steps a second"
    console.print(f"{sequences:,} sequences, as the model says" if differs is None else tell(differs), markup=False)
    console.print(rate)
    return 0 if differs is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
