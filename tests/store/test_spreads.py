"""Spreads: begun, leased, moved on and ended, and begun anew by a newer version, alike in both stores."""

import asyncio

from tests.store.sides import Side, in_one
from workers.store.records import UNDECIDED, AccountRow, Changes, Spread

LEASE = 600.0


async def begin(side: Side, *keys: str, version: int = 1) -> None:
    """Companies changed."""
    await in_one(side, "write", Changes(spreads=[(key, version, f"[{version}]") for key in keys]))


async def test_a_spread_is_worked_on_by_one_at_a_time_until_its_lease_runs_out(side: Side) -> None:
    assert await side.store.claim_spread(LEASE) is None
    await begin(side, "c")
    assert await side.store.claim_spread(LEASE) == Spread("c", 1, "", "{}", "[1]")
    assert await side.store.claim_spread(LEASE) is None
    assert [row[-1] for row in (await side.tables())["spreads"]] == [True]
    await side.lapse()
    assert await side.store.claim_spread(LEASE) == Spread("c", 1, "", "{}", "[1]")
    assert await side.store.claim_spread(LEASE) is None


async def test_who_moves_a_spread_on_gives_it_back(side: Side) -> None:
    await begin(side, "c")
    spread = await side.store.claim_spread(LEASE)
    assert spread is not None
    moved = spread._replace(cursor="m", hits='{"t":1}')
    await in_one(side, "advance_spread", moved)
    assert (await side.tables())["spreads"] == [(*moved, False)]
    assert await side.store.claim_spread(LEASE) == moved
    await in_one(side, "end_spread", moved)
    assert (await side.tables())["spreads"] == []
    await side.lapse()
    assert await side.store.claim_spread(LEASE) is None


async def test_a_newer_version_begins_at_once_and_its_older_one_neither_moves_nor_ends_it(side: Side) -> None:
    await begin(side, "c")
    await in_one(side, "advance_spread", Spread("c", 1, "m", '{"t":1}', "[1]"))
    older = await side.store.claim_spread(LEASE)
    assert older == Spread("c", 1, "m", '{"t":1}', "[1]")
    await begin(side, "c", version=2)
    newer = Spread("c", 2, "", "{}", "[2]")
    assert await side.store.claim_spread(LEASE) == newer
    before = await side.tables()
    await in_one(side, "advance_spread", older._replace(cursor="z"))
    await in_one(side, "end_spread", older)
    assert await side.tables() == before
    assert await side.store.claim_spread(LEASE) is None
    await in_one(side, "end_spread", newer)
    assert (await side.tables())["spreads"] == []


async def test_who_is_overtaken_by_a_newer_version_waits_for_it_and_moves_nothing(side: Side) -> None:
    await begin(side, "c")
    older = await side.store.claim_spread(LEASE)
    assert older is not None
    for name in ("advance_spread", "end_spread"):
        async with side.store.transaction() as case:
            await case.write(Changes(spreads=[("c", 2, "[2]")]))
            late = asyncio.create_task(in_one(side, name, older._replace(cursor="z")))
            await side.waits(late)
        await late
        assert (await side.tables())["spreads"] == [("c", 2, "", "{}", "[2]", False)]
        await begin(side, "c", version=1)


async def test_spreads_that_nobody_began_come_before_those_that_were_left(side: Side) -> None:
    await begin(side, "b", "d")
    claimed = [await side.store.claim_spread(LEASE) for _ in range(2)]
    assert [each and each.company_key for each in claimed] == ["b", "d"]
    await side.lapse()
    await begin(side, "c", "a")
    claimed = [await side.store.claim_spread(LEASE) for _ in range(5)]
    assert [each and each.company_key for each in claimed] == ["a", "c", "b", "d", None]


async def test_a_spread_that_is_being_moved_or_ended_is_not_claimed(side: Side) -> None:
    await begin(side, "c")
    spread = Spread("c", 1, "", "{}", "[1]")
    async with side.store.transaction() as transaction:
        await transaction.advance_spread(spread._replace(cursor="m"))
        assert await side.store.claim_spread(LEASE) is None
    async with side.store.transaction() as transaction:
        await transaction.end_spread(spread)
        assert await side.store.claim_spread(LEASE) is None


async def test_a_spread_that_ended_can_be_begun_again_and_is_not_leased(side: Side) -> None:
    await begin(side, "c")
    spread = await side.store.claim_spread(LEASE)
    assert spread is not None
    await in_one(side, "end_spread", spread)
    await begin(side, "c", version=2)
    assert await side.store.claim_spread(LEASE) == Spread("c", 2, "", "{}", "[2]")


async def test_who_waits_for_a_spread_is_woken(side: Side) -> None:
    await begin(side, "c")
    await side.wakes("standing_spread")


async def test_a_spread_that_found_members_undecided_is_left_alone_until_none_is(side: Side) -> None:
    await begin(side, "c")
    await side.store.insert_accounts(["held", "waits", "decided", "other"])
    members = [AccountRow("held", held=True), AccountRow("waits", waits=True), AccountRow("decided")]
    joined = [("c", each.account_id) for each in members]
    await in_one(side, "write", Changes(accounts=[*members, AccountRow("other", waits=True)], memberships=joined))
    assert await in_one(side, "members", "c") == (3, 2)
    assert await in_one(side, "members", "nobody") == (0, 0)
    spread = await side.store.claim_spread(LEASE)
    assert spread is not None
    await in_one(side, "advance_spread", spread._replace(cursor="held", hits=UNDECIDED))
    assert await side.store.claim_spread(LEASE) is not None  # its members are all reached first
    anew = spread._replace(cursor="", hits=UNDECIDED)
    await in_one(side, "advance_spread", anew)
    for account_id in ("held", "waits"):
        assert await side.store.claim_spread(LEASE) is None
        await in_one(side, "write", Changes(accounts=[AccountRow(account_id)]))
    assert await side.store.claim_spread(LEASE) == anew
