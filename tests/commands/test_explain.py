"""`standing explain --at` on a real database: nothing after the instant is shown, in the text or in the JSON."""

import io
import json
from types import SimpleNamespace
from typing import Any, cast

from tests.model.story import case, enrolled, local, order
from tests.support.database_deployment import DatabaseDeployment, deployed
from tests.support.played_consumer import SAMPLE
from workers.commands import show
from workers.commands.explain import explain
from workers.ops.terminal import Terminal
from workers.rules.calendar import Instant, written
from workers.wiring import Database

HISTORY = (
    enrolled("2016-03-01 10:00"),
    order("2016-03-10 10:00", order_id="march"),
    order("2016-06-10 10:00", order_id="june"),
)


async def explained(deployment: DatabaseDeployment, at: Instant | None) -> tuple[dict[str, Any], str]:
    """What is shown of account `a`: the JSON, and the text."""
    settings = SimpleNamespace(allowed_lateness=0)
    database = SimpleNamespace(store=deployment.store, pool=deployment.pool, settings=settings)
    found = await explain(cast("Database", database), deployment.policies, "a", at)
    shown = io.StringIO()
    show.explanation(Terminal(file=shown), found)
    return json.loads(found.as_json()), shown.getvalue()


async def test_an_instant_between_two_orders_shows_neither_the_later_one_nor_its_deadline(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        await deployment.reads(*HISTORY)
        await deployment.reads(case("2016-12-24"))
        await deployment.reaches(local("2016-12-31"))
        said, text = await explained(deployment, local("2016-04-01"))
    assert said["standing"] == "active"
    assert said["since"] == written(local("2016-03-01 10:00"))
    assert said["deadline"] is None
    assert said["deadline_not_before"] == written(local("2016-09-07"))
    assert [each["occurred_at"] for each in said["facts"]] == [
        written(local("2016-03-01 10:00")),
        written(local("2016-03-10 10:00")),
    ]
    assert [each["kind"] for each in said["decisions"]] == ["account_enrolled"]
    assert [each["kind"] for each in said["published"]] == ["account_enrolled"]
    assert "not before 2016-09-06 16:00:00 UTC" in text
    assert "messages published: 1 (withdrawals: 0)" in text
    for later in ("june", "2016-06", "2016-12", "terminated", "suspended on"):
        assert later not in json.dumps(said), later
        assert later not in text, later


async def test_what_happened_at_exactly_the_instant_is_known(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        await deployment.reads(*HISTORY)
        await deployment.reaches(local("2016-12-31"))
        june, _ = await explained(deployment, local("2016-06-10 10:00"))
        before, _ = await explained(deployment, local("2016-06-10 10:00") - 1)
        suspended, _ = await explained(deployment, local("2016-12-08"))
        active, _ = await explained(deployment, local("2016-12-08") - 1)
    assert june["deadline"] == written(local("2016-12-08"))
    assert june["deadline_not_before"] is None
    assert "june" in json.dumps(june)
    assert "june" not in json.dumps(before)
    assert (suspended["standing"], active["standing"]) == ("suspended", "active")
    assert (suspended["since"], active["deadline"]) == (written(local("2016-12-08")),) * 2
    assert [each["kind"] for each in suspended["published"]][-1] == "account_suspended"
    assert [each["kind"] for each in active["published"]][-1] == "suspension_notice"


async def test_an_instant_before_everything_shows_nothing(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        await deployment.reads(enrolled("2016-01-10"), order("2016-03-10"))
        await deployment.reaches(local("2016-04-01"))
        for at in (local("2016-01-09"), local("1900-01-01")):
            said, text = await explained(deployment, at)
            assert (said["standing"], said["since"], said["company"], said["deadline"]) == (
                "not_enrolled",
                *[None] * 3,
            )
            assert (said["facts"], said["decisions"], said["published"]) == ([], [], [])
            assert "not_enrolled" in text
        said, text = await explained(deployment, local("2016-01-20"))
        assert (said["since"], said["deadline"], said["decisions"]) == (None, None, [])
        assert len(said["facts"]) == 1
        assert "nothing is decided before the first policy" in text


async def test_beyond_the_watermark_explain_states_up_to_when_deadlines_were_enforced(database_url: str) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        await deployment.reads(*HISTORY)
        never, words = await explained(deployment, local("2030-01-01"))
        await deployment.reaches(local("2016-07-01"))
        said, text = await explained(deployment, local("2030-01-01"))
        known, plain = await explained(deployment, local("2016-07-01"))
    assert never["judged_until"] is None
    assert "no deadline is judged yet" in words
    assert (said["standing"], said["deadline"]) == ("active", written(local("2016-12-08")))
    assert said["judged_until"] == written(local("2016-07-01"))
    assert "only deadlines up to 2016-06-30 16:00:00 UTC are judged yet" in text
    assert "judged" not in plain
    assert known["deadline"] == written(local("2016-12-08"))
