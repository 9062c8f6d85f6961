"""Golden histories: facts as they once came, and the decisions they gave. Tomorrow's code must decide them alike.

`python -m tests.replay.golden` writes both anew. Do that only where the rulebook itself was changed or a decision
was wrong, and read the difference line by line: every line is a decision that some seller was told.
"""

import asyncio
from pathlib import Path

from rich.console import Console

from workers.offline.cast import cast
from workers.offline.generate import Wish, history, json_line
from workers.offline.replaying import Wish as Replaying
from workers.offline.replaying import replay
from workers.settings import Settings

HERE = Path(__file__).parent
GOLDEN = HERE / "histories"
SETTINGS = Settings(policies=HERE / "policies", settle_seconds=0)
WISHES = {
    "calm": Wish(seed=11, accounts=8, companies=4, late=0, doubled=0, bad=0),
    "late-and-doubled": Wish(seed=12, accounts=8, companies=3, late=0.3, doubled=0.2, bad=0.02),
    "one-company": Wish(seed=13, accounts=8, companies=1, late=0.1, doubled=0.05, bad=0.01),
}


def facts_of(name: str) -> Path:
    return GOLDEN / f"{name}.facts.jsonl"


def decisions_of(name: str) -> Path:
    return GOLDEN / f"{name}.decisions.jsonl"


def main() -> None:
    histories = {name: history(wish) for name, wish in WISHES.items()} | {"cast": cast()}
    for name, messages in histories.items():
        facts_of(name).write_text("".join(json_line(each) + "\n" for each in messages), encoding="utf-8")
        wish = Replaying(files=[facts_of(name)], write=decisions_of(name))
        done = asyncio.run(replay(Console(), SETTINGS, wish))
        print(f"{name}: {done.facts} facts, {done.compared} decisions")


if __name__ == "__main__":
    main()
