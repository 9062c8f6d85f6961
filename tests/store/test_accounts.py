"""Accounts: their rows, locks and histories, and all that one transaction writes of them, alike in both stores."""

import asyncio
from uuid import UUID

import pytest

from tests.store.sides import Side, in_one, locked
from workers.rules.difference import Published
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store.postgres import AccountsLocked, UnknownAccounts
from workers.store.records import (
    AccountRow,
    Changes,
    ClockMoves,
    CompanyRow,
    CurrentDecision,
    StoredFact,
    StoredHistory,
)

ONE, TWO, THREE = (str(UUID(int=number)) for number in (1, 2, 3))


def span(first: int, last: int) -> OrderSpan:
    """Orders named after their instants."""
    return OrderSpan(EffectiveOrder(first, f"o{first}"), EffectiveOrder(last, f"o{last}"))


async def test_accounts_without_a_row_are_named_and_can_be_locked_once_they_have_one(side: Side) -> None:
    await side.store.insert_accounts(["b"])
    await in_one(side, "write", Changes(accounts=[AccountRow("b", "active", sequence=4)]))
    with pytest.raises(UnknownAccounts) as unknown:
        await in_one(side, "lock_accounts", ["c", "b", "a"])
    assert sorted(unknown.value.account_ids) == ["a", "c"]
    await side.store.insert_accounts(["c", "b", "a", "a"])
    async with side.store.transaction() as transaction:
        rows = await locked(transaction, ["c", "b", "a"])
    assert rows == [AccountRow("a"), AccountRow("b", "active", sequence=4), AccountRow("c")]


async def test_ids_are_sorted_by_their_code_points(side: Side) -> None:
    ids = ["a", "Z", "ä", "a-1", "a1", "商家", "a_1", "𝒂", "￮"]
    await side.store.insert_accounts(ids)
    async with side.store.transaction() as transaction:
        assert [row[0] for row in await locked(transaction, ids)] == sorted(ids)
    await in_one(side, "write", Changes(memberships=[("c", each) for each in ids]))
    assert await in_one(side, "next_members", "c", "", 100) == sorted(ids)


async def test_a_transaction_that_locks_a_locked_account_waits_and_sees_what_was_written(side: Side) -> None:
    await side.store.insert_accounts(["a", "b", "c"])
    row = AccountRow("b", "active", next_check=5)

    async def second() -> list[tuple[object, ...]]:
        async with side.store.transaction() as transaction:
            return await locked(transaction, ["c", "b"])

    async with side.store.transaction() as first:
        await first.lock_accounts(["b", "a"])
        waiting = asyncio.create_task(second())
        await side.waits(waiting)
        await first.write(Changes(accounts=[row]))
        await first.write(Changes(begun=[("b", 50, "o50", 55)]))
    begun = row._replace(span_start=50, last_effective_at=50, last_order_id="o50", quiet_until=55)
    assert await waiting == [begun, AccountRow("c")]  # a clock that began while it waited is seen too


async def test_locks_requested_in_opposite_orders_are_taken_in_one_order(side: Side) -> None:
    ids = [f"a{number}" for number in range(20)]
    await side.store.insert_accounts(ids)
    orders = [ids, ids[::-1]] * 5
    await asyncio.gather(*(in_one(side, "lock_accounts", each) for each in orders))


async def test_a_transaction_that_found_an_unknown_account_has_released_its_locks(side: Side) -> None:
    await side.store.insert_accounts(["a"])
    with pytest.raises(UnknownAccounts):
        await in_one(side, "lock_accounts", ["a", "b"])
    async with asyncio.timeout(5):
        await in_one(side, "lock_accounts", ["a"])


QUIET = AccountRow("a", "active", span_start=10, last_effective_at=20, last_order_id="o20", quiet_until=50)


def move(account_id: str = "a", first: int = 30, last: int = 40, since: int = 0) -> ClockMoves:
    """Orders of one account, of which the first and the last are given."""
    return ClockMoves([(account_id, first, last, f"o{last}")], since, quiet_until=60)


async def test_the_clock_of_an_account_moves_while_it_is_quiet_and_no_longer(side: Side) -> None:
    moved = QUIET._replace(last_effective_at=40, last_order_id="o40", quiet_until=60)
    inside = QUIET._replace(last_effective_at=21, last_order_id="o21", quiet_until=60)
    await side.store.insert_accounts(["a"])
    for row, given, after in [
        (AccountRow("a", "active"), move(), None),  # its clock has not begun
        (QUIET, move(), moved),
        (QUIET, move(first=11), moved),  # an older order inside the span
        (QUIET, move(first=11, last=21), inside),
        (QUIET, move(last=49), moved._replace(last_effective_at=49, last_order_id="o49")),
        (QUIET._replace(quiet_until=70), move(), moved._replace(quiet_until=70)),
        (QUIET, move(since=20), moved),
        (QUIET, move(since=21), None),  # quiet by policies that may lack the newest
        (QUIET, move(last=50), None),
        (QUIET, move(first=10), None),  # an order before the span, or at its start
        (QUIET, move(first=15, last=20), None),
        (QUIET._replace(quiet_until=None), move(), None),
        (QUIET, move("unknown"), None),
    ]:
        await in_one(side, "write", Changes(accounts=[row]))
        assert set(await in_one(side, "move_clocks", given)) == ({"a"} if after else set())
        assert (await side.tables())["accounts"] == [after or row]


async def test_a_clock_is_moved_by_what_the_transaction_that_was_waited_for_left(side: Side) -> None:
    """Under read committed, the update compares the row again after its wait."""
    await side.store.insert_accounts(["a"])
    for after, is_moved in [
        (QUIET._replace(last_effective_at=35), True),
        (QUIET._replace(standing="suspended", quiet_until=None), False),
        (QUIET._replace(quiet_until=40), False),
        (QUIET._replace(last_effective_at=40), False),
        (QUIET._replace(span_start=30), False),
    ]:
        await in_one(side, "write", Changes(accounts=[QUIET]))
        async with side.store.transaction() as first:
            await first.lock_accounts(["a"])
            await first.write(Changes(accounts=[after]))
            waiting = asyncio.create_task(in_one(side, "move_clocks", move()))
            await side.waits(waiting)
        assert set(await waiting) == ({"a"} if is_moved else set())
        moved = after._replace(last_effective_at=40, last_order_id="o40", quiet_until=60)
        assert (await side.tables())["accounts"] == [moved if is_moved else after]


async def test_a_moved_account_is_locked_and_one_that_is_not_quiet_is_not(side: Side) -> None:
    await side.store.insert_accounts(["a", "b"])
    await in_one(side, "write", Changes(accounts=[QUIET, QUIET._replace(account_id="b", quiet_until=None)]))
    async with side.store.transaction() as first:
        assert set(await first.move_clocks(move("b"))) == set()
        assert set(await first.move_clocks(move())) == {"a"}
        async with side.store.transaction() as second:
            with pytest.raises(AccountsLocked):
                await second.lock_accounts(["a"], wait=False)
        async with side.store.transaction() as third:
            assert [row[0] for row in await third.lock_accounts(["b"], wait=False)] == ["b"]


async def due(side: Side, watermark: int, limit: int) -> list[str]:
    """The claimed accounts."""
    return [row.account_id for row in await in_one(side, "claim_due", watermark, limit)]


async def test_due_accounts_come_soonest_first_up_to_the_watermark_without_quarantined_ones(
    side: Side,
) -> None:
    wake = {"a": 40, "b": 20, "c": 30, "d": 41, "e": None, "f": 10}
    await side.store.insert_accounts(list(wake))
    rows = [AccountRow(name, next_check=at, quarantined="why" if name == "f" else None) for name, at in wake.items()]
    await in_one(side, "write", Changes(accounts=rows))
    assert await due(side, 40, 10) == ["b", "c", "a"]
    assert await due(side, 40, 2) == ["b", "c"]
    assert await due(side, 41, 10) == ["b", "c", "a", "d"]
    assert await due(side, 19, 10) == []


async def test_a_claim_skips_locked_accounts_and_locks_what_it_returns(side: Side) -> None:
    ids = ["a", "b", "c", "d"]
    await side.store.insert_accounts(ids)
    rows = [AccountRow(each, next_check=number) for number, each in enumerate(ids)]
    await in_one(side, "write", Changes(accounts=rows))
    async with side.store.transaction() as reader, side.store.transaction() as one:
        await reader.lock_accounts(["b"])
        assert list(await one.claim_due(9, 2)) == [rows[0], rows[2]]
        async with side.store.transaction() as two:
            assert list(await two.claim_due(9, 2)) == [rows[3]]
            assert await due(side, 9, 2) == []
        waiting = asyncio.create_task(in_one(side, "lock_accounts", ["a"]))
        await side.waits(waiting)
    await waiting
    assert await due(side, 9, 9) == ids


async def test_only_the_next_check_and_how_long_it_is_quiet_are_rearmed(side: Side) -> None:
    await side.store.insert_accounts(["a", "b"])
    rows = [AccountRow(each, "active", True, 1, 2, 3, b"said", None, 4, 5, "o5", 6) for each in ("a", "b")]
    await in_one(side, "write", Changes(accounts=rows))
    async with side.store.transaction() as transaction:
        await transaction.claim_due(9, 1_000)
        await transaction.write(Changes(rearmed=[("b", 77, 78)]))
        await transaction.write(Changes(accounts=[rows[0]._replace(next_check=None)]))
    assert (await side.tables())["accounts"] == [
        rows[0]._replace(next_check=None),
        rows[1]._replace(next_check=77, quiet_until=78),
    ]


async def test_a_next_check_that_was_written_before_is_rearmed(side: Side) -> None:
    await side.store.insert_accounts(["a"])
    async with side.store.transaction() as transaction:
        await transaction.lock_accounts(["a"])
        await transaction.write(Changes(accounts=[AccountRow("a", "active", next_check=5)]))
        await transaction.write(Changes(rearmed=[("a", 77, None)]))
    assert (await side.tables())["accounts"] == [AccountRow("a", "active", next_check=77)]


def everything() -> Changes:
    """Something in every field."""
    return Changes(
        begun=[("begun", 50, "o50", 55)],
        accounts=[AccountRow("judged", "suspended", True, 1, -2, 3, b"\0said", "why", -4, 5, "o5", 6)],
        facts=[StoredFact("judged", "complaints", "f1", -7, '{"a":"ä"}')],
        spans_removed=[("judged", 10), ("judged", 30)],
        spans_added=[("judged", span(10, 40)), ("judged", span(60, 60))],
        memberships=[("c1", "judged"), ("c1", "moved"), ("c1", "judged")],
        withdrawn=[(False, "judged", ONE), (True, "c1", ONE), (False, "judged", THREE)],
        published=[
            CurrentDecision(False, "judged", TWO, "account_suspended", 8, 2, b"2"),
            CurrentDecision(True, "c1", ONE, "company_terminated", 9, 3, b"\xff"),
        ],
        companies=[CompanyRow("c1", 2, 3, "[1]", "[2]")],
        fanouts=[("c1", 2, "[3]"), ("c0", 1, "[]")],
    )


async def prepare(side: Side) -> None:
    """What the changes of `everything` change."""
    await side.store.insert_accounts(["begun", "judged", "moved", "other"])
    async with side.store.transaction() as transaction:
        await transaction.companies(["c1"], "update")
        await transaction.write(
            Changes(
                begun=[("moved", 20, "o20", 95)],
                facts=[StoredFact("other", "complaints", "f1", 1, "{}"), StoredFact("judged", "x", "f1", 2, "{}")],
                spans_added=[("judged", span(10, 20)), ("judged", span(30, 40)), ("other", span(30, 30))],
                published=[
                    CurrentDecision(False, "judged", ONE, "account_suspended", 5, 1, b"1"),
                    CurrentDecision(False, "other", ONE, "account_suspended", 5, 1, b"1"),
                    CurrentDecision(True, "c1", ONE, "company_terminated", 5, 1, b"1"),
                    CurrentDecision(True, "c1", TWO, "company_terminated", 6, 2, b"2"),
                ],
            )
        )


async def test_every_field_of_the_changes_is_written(side: Side) -> None:
    await prepare(side)
    before = await side.tables()
    await in_one(side, "write", everything())
    assert (await side.tables()) == before | {
        "accounts": [
            AccountRow("begun", span_start=50, last_effective_at=50, last_order_id="o50", quiet_until=55),
            *everything().accounts,
            AccountRow("moved", span_start=20, last_effective_at=20, last_order_id="o20", quiet_until=95),
            AccountRow("other"),
        ],
        "facts": sorted([*before["facts"], *everything().facts]),
        "order_spans": [
            ("begun", 50, "o50", 50, "o50"),
            ("judged", 10, "o10", 40, "o40"),
            ("judged", 60, "o60", 60, "o60"),
            ("moved", 20, "o20", 20, "o20"),
            ("other", 30, "o30", 30, "o30"),
        ],
        "current_decisions": [
            everything().published[0],
            CurrentDecision(False, "other", ONE, "account_suspended", 5, 1, b"1"),
            everything().published[1],
            CurrentDecision(True, "c1", TWO, "company_terminated", 6, 2, b"2"),
        ],
        "companies": everything().companies,
        "memberships": [("c1", "judged"), ("c1", "moved")],
        "fanouts": [("c0", 1, "", False, "[]", False, None), ("c1", 2, "", False, "[3]", False, None)],
    }


async def test_a_transaction_that_ends_with_an_error_leaves_every_table_as_it_was(side: Side) -> None:
    await prepare(side)
    before = await side.tables()

    async def fail() -> None:
        async with side.store.transaction() as transaction:
            await transaction.companies(["c1", "c2"], "update")
            await transaction.write(everything())
            await transaction.write(Changes(rearmed=[("other", 4, None)]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await side.tables() == before


async def test_what_is_written_is_seen_by_others_once_it_is_committed(side: Side) -> None:
    await prepare(side)
    before = await side.tables()
    async with side.store.transaction() as transaction:
        await transaction.write(everything())
        assert await side.tables() == before
        assert await in_one(side, "next_members", "c1", "", 9) == []
        assert await side.store.claim_fanout(9.0) is None
    assert await in_one(side, "next_members", "c1", "", 9) == ["judged", "moved"]


async def test_the_last_span_of_a_history_ends_where_the_row_says(side: Side) -> None:
    await prepare(side)
    changes = everything()
    changes.accounts = [AccountRow("judged", span_start=60, last_effective_at=75, last_order_id="o75")]
    await in_one(side, "write", changes)
    await in_one(side, "move_clocks", move("moved", first=90, last=90))
    async with side.store.transaction() as transaction:
        rows = await transaction.lock_accounts(["judged", "moved", "begun", "other"])
        found = await transaction.histories(rows)
    for each in found.values():
        each.facts.sort()
    facts = [StoredFact("judged", "complaints", "f1", -7, '{"a":"ä"}'), StoredFact("judged", "x", "f1", 2, "{}")]
    published = [Published(TWO, "account_suspended", 8, 2, b"2")]
    others = [Published(ONE, "account_suspended", 5, 1, b"1")]
    assert found == {
        "begun": StoredHistory(spans=[span(50, 50)]),
        "judged": StoredHistory(facts, [span(10, 40), span(60, 75)], published),
        "moved": StoredHistory(spans=[span(20, 90)]),
        "other": StoredHistory([StoredFact("other", "complaints", "f1", 1, "{}")], [span(30, 30)], others),
    }
    assert await in_one(side, "histories", []) == {}
