"""Golden histories: facts as they once came, and the decisions they gave. Tomorrow's code must decide them alike.

`python -m tests.recovery.golden` writes both again, and the RULES_VERSION they are of; while that is the same, it
refuses to write other decisions. Do it only where the rulebook itself was changed or a decision was wrong, and read
the difference line by line: every line is a decision that some seller was told.
"""

import asyncio
from pathlib import Path

from workers.demo.cast import cast
from workers.demo.generate import HistoryParameters, history, json_line
from workers.ops.terminal import Terminal
from workers.recovery.compare import Differences
from workers.recovery.replay import ReplayOptions, replay
from workers.rules import RULES_VERSION
from workers.settings import Settings

HERE = Path(__file__).parent
GOLDEN = HERE / "histories"
RAISE_IT = "the past is judged otherwise than before: raise RULES_VERSION in workers/rules/__init__.py"
WRITE_ANEW = "RULES_VERSION was changed: run `python -m tests.recovery.golden` and read the difference line by line"
SETTINGS = Settings(policies=HERE / "policies", allowed_lateness_seconds=0)
HISTORIES = {
    "calm": HistoryParameters(seed=11, accounts=8, companies=4, late=0, doubled=0, bad=0),
    "late-and-doubled": HistoryParameters(seed=12, accounts=8, companies=3, late=0.3, doubled=0.2, bad=0.02),
    "one-company": HistoryParameters(seed=13, accounts=8, companies=1, late=0.1, doubled=0.05, bad=0.01),
}


def facts_of(name: str) -> Path:
    return GOLDEN / f"{name}.facts.jsonl"


def decisions_of(name: str) -> Path:
    return GOLDEN / f"{name}.decisions.jsonl"


def names() -> list[str]:
    """The histories that are kept."""
    return sorted(file.name.removesuffix(".facts.jsonl") for file in GOLDEN.glob("*.facts.jsonl"))


async def replayed(name: str) -> Differences:
    """What these rules decide otherwise than is kept."""
    return await replay(Terminal(), SETTINGS, ReplayOptions(files=[facts_of(name)], against=decisions_of(name)))


def version_file() -> Path:
    """Where the RULES_VERSION stands that gave the decisions."""
    return GOLDEN / "rules-version"


def of_these_rules() -> bool:
    """Whether the decisions that are kept are of this RULES_VERSION."""
    return int(version_file().read_text()) == RULES_VERSION


async def write() -> None:
    """Make what is decided today golden."""
    if of_these_rules() and not all([(await replayed(name)).equal for name in names()]):
        raise SystemExit(RAISE_IT)
    histories = {name: history(parameters) for name, parameters in HISTORIES.items()} | {"cast": cast()}
    for name, messages in histories.items():
        facts_of(name).write_text("".join(json_line(each) + "\n" for each in messages), encoding="utf-8")
        options = ReplayOptions(files=[facts_of(name)], write=decisions_of(name))
        done = await replay(Terminal(), SETTINGS, options)
        print(f"{name}: {done.facts} facts, {done.compared} decisions")
    version_file().write_text(f"{RULES_VERSION}\n")


if __name__ == "__main__":
    asyncio.run(write())
