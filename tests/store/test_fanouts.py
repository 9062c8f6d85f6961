"""Fan-outs: begun, leased, moved on, sent round and ended, alike in both stores."""

import asyncio

from tests.store.sides import Side, in_one
from workers.store.records import AccountRow, Changes, CurrentDecision, Fanout

LEASE = 600.0


async def begin(side: Side, *keys: str, version: int = 1) -> None:
    """Companies changed."""
    await in_one(side, "write", Changes(fanouts=[(key, version, f"[{version}]") for key in keys]))


async def claim(side: Side) -> Fanout:
    """A fan-out that can be claimed."""
    fanout = await side.store.claim_fanout(LEASE)
    assert fanout is not None
    return fanout


async def test_a_fanout_is_worked_on_by_one_at_a_time_until_its_lease_runs_out(side: Side) -> None:
    assert await side.store.claim_fanout(LEASE) is None
    await begin(side, "c")
    assert await claim(side) == Fanout("c", 1, "", False, "[1]")
    assert await side.store.claim_fanout(LEASE) is None
    assert [row[-2] for row in (await side.tables())["fanouts"]] == [True]
    await side.lapse()
    assert await claim(side) == Fanout("c", 1, "", False, "[1]")
    assert await side.store.claim_fanout(LEASE) is None


async def test_moving_a_fanout_ends_its_lease(side: Side) -> None:
    await begin(side, "c")
    fanout = await claim(side)
    assert await in_one(side, "lock_fanout", fanout)
    moved = fanout._replace(cursor="m")
    await in_one(side, "move_fanout", fanout, moved)
    assert (await side.tables())["fanouts"] == [(*moved, False, None)]
    assert await claim(side) == moved
    await in_one(side, "end_fanout", moved)
    assert (await side.tables())["fanouts"] == []
    await side.lapse()
    assert await side.store.claim_fanout(LEASE) is None


async def test_a_newer_version_keeps_the_cursor_of_a_running_fanout_and_replaces_its_cause(side: Side) -> None:
    await begin(side, "c")
    first = Fanout("c", 1, "", False, "[1]")
    await in_one(side, "move_fanout", first, first._replace(cursor="m"))
    older = await claim(side)
    await begin(side, "c", version=2)
    assert await side.store.claim_fanout(LEASE) is None
    await in_one(side, "move_fanout", older, older._replace(cursor="z"))
    assert await claim(side) == Fanout("c", 1, "z", False, "[2]")
    assert await in_one(side, "fanout_causes", ["c", "d"]) == {"c": "[2]"}


async def test_a_fanout_that_only_waits_starts_again_with_a_newer_version(side: Side) -> None:
    await begin(side, "c")
    first = await claim(side)
    waiting = first._replace(cursor="m", deferred=True)
    await in_one(side, "move_fanout", first, waiting)
    assert await claim(side) == waiting
    await begin(side, "c", version=2)
    assert await claim(side) == Fanout("c", 2, "", False, "[2]")


async def test_a_worker_that_was_overtaken_moves_ends_and_quarantines_nothing(side: Side) -> None:
    await begin(side, "c")
    first = Fanout("c", 1, "", False, "[1]")
    stands = first._replace(version=2, cursor="m")
    await in_one(side, "move_fanout", first, stands)
    before = await side.tables()
    for overtaken in (first, stands._replace(version=1), stands._replace(cursor="a")):
        await in_one(side, "move_fanout", overtaken, overtaken._replace(cursor="z"))
        await in_one(side, "end_fanout", overtaken)
        await side.store.quarantine_fanout(overtaken, "why")
        assert not await in_one(side, "lock_fanout", overtaken)
        assert await side.tables() == before


async def test_a_worker_that_is_overtaken_waits_and_then_moves_nothing(side: Side) -> None:
    await begin(side, "c")
    first = Fanout("c", 1, "", False, "[1]")
    for name, given in (("move_fanout", (first, first._replace(cursor="z"))), ("end_fanout", (first,))):
        async with side.store.transaction() as ahead:
            await ahead.move_fanout(first, first._replace(cursor="m"))
            late = asyncio.create_task(in_one(side, name, *given))
            await side.waits(late)
        await late
        assert (await side.tables())["fanouts"] == [(*first._replace(cursor="m"), False, None)]
        await in_one(side, "move_fanout", first._replace(cursor="m"), first)


async def test_new_fanouts_come_before_those_whose_lease_expired(side: Side) -> None:
    await begin(side, "b", "d")
    claimed = [await side.store.claim_fanout(LEASE) for _ in range(2)]
    assert [each and each.company_key for each in claimed] == ["b", "d"]
    await side.lapse()
    await begin(side, "c", "a")
    claimed = [await side.store.claim_fanout(LEASE) for _ in range(5)]
    assert [each and each.company_key for each in claimed] == ["a", "c", "b", "d", None]


async def test_a_fanout_that_is_being_moved_or_ended_is_not_claimed(side: Side) -> None:
    await begin(side, "c")
    fanout = Fanout("c", 1, "", False, "[1]")
    async with side.store.transaction() as transaction:
        await transaction.move_fanout(fanout, fanout._replace(cursor="m"))
        assert await side.store.claim_fanout(LEASE) is None
    fanout = fanout._replace(cursor="m")
    await side.lapse()
    async with side.store.transaction() as transaction:
        await transaction.end_fanout(fanout)
        assert await side.store.claim_fanout(LEASE) is None


async def test_a_fanout_that_ended_can_be_begun_again_and_is_not_leased(side: Side) -> None:
    await begin(side, "c")
    fanout = await side.store.claim_fanout(LEASE)
    assert fanout is not None
    await in_one(side, "end_fanout", fanout)
    await begin(side, "c", version=2)
    assert await side.store.claim_fanout(LEASE) == Fanout("c", 2, "", False, "[2]")


async def test_a_waiter_for_a_fanout_is_woken(side: Side) -> None:
    await begin(side, "c")
    await side.wakes("standing_fanout")


async def test_a_fanout_that_found_undecided_members_is_skipped_until_none_is(side: Side) -> None:
    await begin(side, "c")
    await side.store.insert_accounts(["quarantined", "waits", "decided", "other"])
    members = [
        AccountRow("quarantined", quarantined="why"),
        AccountRow("waits", deferred=True),
        AccountRow("decided"),
    ]
    joined = [("c", each.account_id) for each in members]
    await in_one(side, "write", Changes(accounts=[*members, AccountRow("other", deferred=True)], memberships=joined))
    assert await in_one(side, "undecided_members", "c") == 2
    assert await in_one(side, "undecided_members", "nobody") == 0
    fanout = await claim(side)
    moved = fanout._replace(cursor="waits")
    await in_one(side, "move_fanout", fanout, moved)
    assert await claim(side) == moved  # its members are all reached first
    await in_one(side, "move_fanout", moved, moved._replace(deferred=True))
    for account_id in ("quarantined", "waits"):
        assert await side.store.claim_fanout(LEASE) is None
        await in_one(side, "write", Changes(accounts=[AccountRow(account_id)]))
    assert await claim(side) == moved._replace(deferred=True)


async def test_a_quarantined_fanout_is_skipped_until_it_is_retried_or_its_company_changes(
    side: Side,
) -> None:
    await begin(side, "c", "d")
    for key in ("c", "d"):
        fanout = await claim(side)
        moved = fanout._replace(cursor="m")
        await in_one(side, "move_fanout", fanout, moved)
        await side.store.quarantine_fanout(moved, f"why {key}")
    assert [row[-1] for row in (await side.tables())["fanouts"]] == ["why c", "why d"]
    assert await side.store.claim_fanout(LEASE) is None
    await begin(side, "d", version=2)
    assert await claim(side) == Fanout("d", 1, "m", False, "[2]")
    assert await side.store.retry_fanouts() == ["c"]
    assert await claim(side) == Fanout("c", 1, "", False, "[1]")
    assert await side.store.retry_fanouts() == []


async def test_quarantined_accounts_are_named_in_order_with_why(side: Side) -> None:
    await side.store.insert_accounts(["a", "b", "c", "d"])
    rows = [AccountRow(each, quarantined=None if each == "b" else f"why {each}") for each in "abcd"]
    await in_one(side, "write", Changes(accounts=rows))
    assert await side.store.quarantined("", 2) == [("a", "why a"), ("c", "why c")]
    assert await side.store.quarantined("c", 2) == [("d", "why d")]


async def test_decisions_in_force_are_counted_by_account_and_id(side: Side) -> None:
    ids = [f"00000000-0000-5000-8000-00000000000{number}" for number in range(3)]
    published = [
        CurrentDecision(False, "a", ids[0], "k", 1, 1, b""),
        CurrentDecision(False, "a", ids[1], "k", 1, 2, b""),
        CurrentDecision(True, "b", ids[2], "k", 1, 1, b""),
    ]
    await in_one(side, "write", Changes(published=published))
    asked = [("a", ids[0]), ("a", ids[2]), ("b", ids[2]), ("b", ids[0])]
    assert await in_one(side, "count_decisions", asked) == 1
    assert await in_one(side, "count_decisions", []) == 0
