"""Companies: their rows under each lock, their members and what was published of them, alike in both stores."""

import asyncio
from uuid import UUID

import pytest

from tests.store.sides import Side, in_one
from workers.rules.difference import Published
from workers.store.records import Changes, CompanyRow, CurrentDecision

ONE, TWO = (str(UUID(int=number)) for number in (1, 2))
ROW = CompanyRow("c", 3, 4, "[5]", "[6]")


async def test_companies_that_are_only_read_get_no_row(side: Side) -> None:
    assert await in_one(side, "companies", ["c"], "none") == {}
    assert (await side.tables())["companies"] == []
    for lock in ("none", "share", "update"):
        assert await in_one(side, "companies", [], lock) == {}


@pytest.mark.parametrize("lock", ["share", "update"])
async def test_companies_that_are_locked_get_a_row(side: Side, lock: str) -> None:
    await in_one(side, "companies", ["c"], lock)
    await in_one(side, "write", Changes(companies=[ROW]))
    assert await in_one(side, "companies", ["d", "c", "b"], lock) == {
        "b": CompanyRow("b"),
        "c": ROW,
        "d": CompanyRow("d"),
    }
    assert await in_one(side, "companies", ["a", "c"], "none") == {"c": ROW}
    assert (await side.tables())["companies"] == [CompanyRow("b"), ROW, CompanyRow("d")]


@pytest.mark.parametrize(
    ("held", "asked", "waits"),
    [
        ("none", "update", False),
        ("share", "none", False),
        ("share", "share", False),
        ("share", "update", True),
        ("update", "none", False),
        ("update", "share", True),
        ("update", "update", True),
    ],
)
async def test_accounts_that_join_share_the_lock_of_a_company_and_a_case_excludes_them(
    side: Side, held: str, asked: str, waits: bool
) -> None:
    await in_one(side, "companies", ["c"], "update")
    async with side.store.transaction() as first:
        await first.companies(["c"], held)
        second = asyncio.create_task(in_one(side, "companies", ["b", "c"], asked))
        if waits:
            await side.waits(second)
            await first.write(Changes(companies=[ROW]))
        else:
            assert (await second).get("c") == CompanyRow("c")
    assert (await second)["c"] == (ROW if waits else CompanyRow("c"))


@pytest.mark.parametrize("committed", [True, False])
async def test_a_transaction_that_finds_a_company_being_inserted_waits_and_then_shares_it(
    side: Side, committed: bool
) -> None:
    async def make(made: asyncio.Event, end: asyncio.Event) -> None:
        async with side.store.transaction() as first:
            await first.companies(["c"], "share")
            made.set()
            await end.wait()
            if not committed:
                raise ZeroDivisionError

    made, end = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(make(made, end))
    await made.wait()
    async with side.store.transaction() as second:
        waiting = asyncio.create_task(second.companies(["c"], "share"))
        await side.waits(waiting)
        end.set()
        assert await waiting == {"c": CompanyRow("c")}
        assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], ZeroDivisionError) != committed
        third = asyncio.create_task(in_one(side, "companies", ["c"], "share"))
        if committed:
            async with asyncio.timeout(5):
                assert await third == {"c": CompanyRow("c")}
        else:
            await side.waits(third)
    assert await third == {"c": CompanyRow("c")}
    assert (await side.tables())["companies"] == [CompanyRow("c")]


async def test_published_decisions_of_companies_are_not_those_of_accounts_of_the_same_name(side: Side) -> None:
    await in_one(
        side,
        "write",
        Changes(
            published=[
                CurrentDecision(True, "c", ONE, "company_terminated", 5, 1, b"1"),
                CurrentDecision(True, "c", TWO, "company_terminated", 6, 2, b"2"),
                CurrentDecision(False, "c", TWO, "account_terminated", 7, 3, b"3"),
                CurrentDecision(False, "d", TWO, "account_terminated", 7, 3, b"3"),
            ]
        ),
    )
    found = await in_one(side, "published_of_companies", ["c", "d", "e"])
    assert {key: sorted(rows, key=lambda row: row.sequence) for key, rows in found.items()} == {
        "c": [Published(ONE, "company_terminated", 5, 1, b"1"), Published(TWO, "company_terminated", 6, 2, b"2")]
    }


async def test_members_come_in_order_behind_the_cursor(side: Side) -> None:
    members = [("c", each) for each in ("d", "a", "c", "b")] + [("x", "bb")]
    await in_one(side, "write", Changes(memberships=members))
    await in_one(side, "write", Changes(memberships=[("c", "a"), ("c", "e")]))
    assert await in_one(side, "next_members", "c", "", 2) == ["a", "b"]
    assert await in_one(side, "next_members", "c", "b", 2) == ["c", "d"]
    assert await in_one(side, "next_members", "c", "bb", 9) == ["c", "d", "e"]
    assert await in_one(side, "next_members", "c", "e", 2) == []
    assert await in_one(side, "next_members", "nobody", "", 2) == []
