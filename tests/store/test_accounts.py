"""Accounts: their rows, locks and histories, and all that one transaction writes of them, alike in both stores."""

import asyncio
from uuid import UUID

import pytest

from tests.store.sides import Side, in_one, locked
from workers.rules.difference import Published
from workers.rules.facts import EffectiveOrder, OrderSpan
from workers.store.postgres import UnknownAccounts
from workers.store.records import AccountRow, Changes, CompanyRow, CurrentDecision, StoredFact, StoredHistory

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
    assert await waiting == [row, AccountRow("c")]


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


async def test_only_the_next_check_is_rearmed(side: Side) -> None:
    await side.store.insert_accounts(["a", "b"])
    rows = [AccountRow(each, "active", True, 1, 2, 3, b"said", 4, 5, "o5") for each in ("a", "b")]
    await in_one(side, "write", Changes(accounts=rows))
    async with side.store.transaction() as transaction:
        await transaction.claim_due(9, 1_000)
        await transaction.write(Changes(rearmed=[("b", 77)]))
        await transaction.write(Changes(accounts=[rows[0]._replace(next_check=None)]))
    assert (await side.tables())["accounts"] == [rows[0]._replace(next_check=None), rows[1]._replace(next_check=77)]


async def test_a_next_check_that_was_written_before_is_rearmed(side: Side) -> None:
    await side.store.insert_accounts(["a"])
    async with side.store.transaction() as transaction:
        await transaction.lock_accounts(["a"])
        await transaction.write(Changes(accounts=[AccountRow("a", "active", next_check=5)]))
        await transaction.write(Changes(rearmed=[("a", 77)]))
    assert (await side.tables())["accounts"] == [AccountRow("a", "active", next_check=77)]


def everything() -> Changes:
    """Something in every field."""
    return Changes(
        moved=[("moved", 90, "o90")],
        begun=[("begun", 50, "o50")],
        accounts=[AccountRow("judged", "suspended", True, 1, -2, 3, b"\0said", -4, 5, "o5", "why")],
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
                begun=[("moved", 20, "o20")],
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
            AccountRow("begun", span_start=50, last_effective_at=50, last_order_id="o50"),
            *everything().accounts,
            AccountRow("moved", span_start=20, last_effective_at=90, last_order_id="o90"),
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
            await transaction.write(Changes(rearmed=[("other", 4)]))
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
    changes.accounts = [AccountRow("judged", last_effective_at=75, last_order_id="o75")]
    await in_one(side, "write", changes)
    async with side.store.transaction() as transaction:
        rows = [AccountRow(*row) for row in await transaction.lock_accounts(["judged", "moved", "begun", "other"])]
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
