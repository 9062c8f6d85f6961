"""`standing hold` and `standing release`: silence stays held until every partition was read to its end, or by force.

No worker runs; the test moves the positions as an ingest worker does.
"""

import pytest

from tests.flows.engine import Engine
from tests.flows.facts import enrolled, paid
from tests.flows.raw import send_to
from workers import wiring
from workers.commands.hold import CannotRelease, hold, release
from workers.store.records import Advance
from workers.wiring import Parts

UNREAD = [("order-status", 3), ("seller-accounts", 1)]


async def held(made: Parts) -> str | None:
    """Why silence is held."""
    async with made.store.transaction() as transaction:
        return (await transaction.progress()).held


async def read_to_its_end(made: Parts, place: tuple[str, int]) -> None:
    """The one record of a partition was read."""
    [position] = await made.store.claim_positions([place], "test")
    async with made.store.transaction() as transaction:
        await transaction.advance([Advance(*place, 0, 1, position.epoch, None, None)])


def refusal(*places: tuple[str, int]) -> str:
    named = ", ".join(f"{topic}/{partition}" for topic, partition in places)
    return f"not read to the end yet: {named}; wait (`standing status`), or release with --force"


async def test_silence_is_not_released_before_every_partition_was_read_to_its_end(engine: Engine) -> None:
    for (topic, partition), (_, _, fields) in zip(
        UNREAD, [paid("a", "2016-03-02 10:00"), enrolled("a", "2016-03-01 10:00")], strict=True
    ):
        send_to(engine, topic, partition, [fields], b"a")
    async with wiring.parts(engine.settings, "test") as made:
        await hold(made, "a back-fill")
        refused = engine.standing("release", check=False)
        assert (refused.returncode, refused.stderr) == (2, f"standing: {refusal(*UNREAD)}\n")
        await read_to_its_end(made, UNREAD[0])
        with pytest.raises(CannotRelease) as behind:
            await release(made, force=False)
        assert str(behind.value) == refusal(UNREAD[1])
        assert await held(made) == "a back-fill"

        engine.standing("release", "--force")
        assert await held(made) is None

        await hold(made, "an emergency")
        await read_to_its_end(made, UNREAD[1])
        await release(made, force=False)
        assert await held(made) is None
