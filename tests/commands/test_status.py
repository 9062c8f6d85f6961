"""What `standing status` prints is bounded, and what `status` and `drain` ask of a large database is cheap."""

import io
import json
from datetime import timedelta
from typing import Any

from tests.model.story import enrolled, local
from tests.support.database_deployment import deployed
from tests.support.played_consumer import SAMPLE
from workers.commands import show
from workers.commands.drain import Left
from workers.commands.status import Status
from workers.ops.terminal import Terminal
from workers.store.state import COUNTED_TO
from workers.store.statements import statement

NOTHING: dict[str, Any] = {
    "watermark": None,
    "held": None,
    "due": 0,
    "overdue": 0,
    "waiting": 0,
    "accounts_quarantined": 0,
    "unpublished": 0,
    "unpublished_seconds": 0.0,
    "fanouts": 0,
    "fanouts_idle": 0,
    "dead_letters": 0,
}


def printed(found: Status) -> list[str]:
    """The lines that are shown."""
    file = io.StringIO()
    show.status(Terminal(file=file), found)
    return file.getvalue().splitlines()


def test_four_thousand_partitions_are_a_screen_of_lines_and_all_of_them_in_the_json() -> None:
    places = {f"order-status/{number}": 5 for number in range(4000)}
    found = Status(lag=places, stuck=[f"{each} was never read" for each in places], **NOTHING)
    lines = printed(found)
    assert len(lines) == 7 + 21 + 21
    assert lines[0].split() == ["records", "not", "read", "yet", "20,000"]
    assert lines[21].strip() == "and 3,980 more"
    assert lines[-1] == "stuck: and 3,980 more, see --json"
    assert len(json.loads(found.as_json())["stuck"]) == 4000


def test_a_count_that_reached_its_limit_is_shown_as_such() -> None:
    lines = printed(Status(lag={}, **NOTHING | {"dead_letters": COUNTED_TO, "due": COUNTED_TO - 1}))
    assert any(line.split() == ["dead", "letters", "10,000", "or", "more"] for line in lines)
    assert any(line.split() == ["deadlines", "due", "9,999"] for line in lines)


async def test_counts_end_at_their_limit_and_read_no_more_rows(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        await deployment.reads(*(enrolled("2016-03-01", f"a{number:04}") for number in range(1000)))
        asked = (local("2030-01-01"), None, timedelta(seconds=60), 7)
        [counts] = await deployment.pool.fetch(statement("left_to_do"), *asked)
        assert counts["due"] == 7
        plan = await deployment.pool.fetchval(f"explain (analyze, format json) {statement('left_to_do')}", *asked)
    assert most_rows(json.loads(plan)[0]["Plan"]) <= 7, plan


def most_rows(plan: dict[str, Any]) -> int:
    """The most rows that any step of a plan gave."""
    return max(int(plan["Actual Rows"]), *(most_rows(each) for each in plan.get("Plans", [])), 0)


def test_drain_is_done_only_when_nothing_is_left() -> None:
    done: dict[str, Any] = {"unread": 0, "due": 0, "fanouts": 0, "unpublished": 0, "behind": False}
    assert Left(**done).nothing
    for name, value in [("unread", 1), ("due", 1), ("fanouts", 1), ("unpublished", 1), ("unpublished", None)]:
        assert not Left(**done | {name: value}).nothing
    assert not Left(**done | {"behind": True}).nothing
