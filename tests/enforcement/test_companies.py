"""Companies in PostgreSQL: accounts that join during a termination or move, and concurrent transactions."""

import asyncio

import pytest

from tests.model.story import case, enrolled, local, order
from tests.support.companies import END, completed, members, upheld, waits_for
from tests.support.database_deployment import DatabaseDeployment
from tests.support.rules_engine import Message, from_scratch
from workers.rules.calendar import Instant
from workers.rules.facts import company_key


@pytest.mark.parametrize("first", ["the case", "who joins"])
async def test_an_account_that_joins_during_a_termination_is_terminated_too(
    deployment: DatabaseDeployment, first: str
) -> None:
    """Two real transactions: the second waits for the first at the company's row and then sees what it wrote."""
    await deployment.reads(*members(2), enrolled("2016-03-01", "joins", "other"))
    case_of_root, moves = upheld("2016-04-10", "m00"), enrolled("2016-04-01", "joins", "c", "moves")
    ahead, behind = (case_of_root, moves) if first == "the case" else (moves, case_of_root)
    for one in (ahead, behind):
        await deployment.store.insert_accounts([one[1]["account_id"]])
    async with deployment.pool.acquire() as gate, gate.transaction():
        # The gate keeps the first transaction from its end, after it has locked the company: shards come last.
        await gate.execute("select from shards for update")
        going_ahead = asyncio.create_task(deployment.reads(ahead))
        await waits_for(deployment, "from shards")
        going_behind = asyncio.create_task(deployment.reads(behind))
        await waits_for(deployment, "companies")
    await asyncio.gather(going_ahead, going_behind)
    await deployment.fanouts()
    await deployment.check(END)
    assert {each["account_id"] for each in await deployment.values("account_terminated")} == {
        "joins", "m00", "m01",
    }  # fmt: skip


async def test_two_concurrent_cases_against_one_company_both_terminate_it(
    deployment: DatabaseDeployment,
) -> None:
    """Deciding after judging that the company must be locked would deadlock here."""
    await deployment.reads(*members(3))
    async with deployment.pool.acquire() as gate, gate.transaction():
        await gate.execute("lock table facts in share mode")  # readable, but nothing can be written yet
        one = asyncio.create_task(deployment.reads(upheld("2016-04-10", "m00", "k1")))
        await waits_for(deployment, "copy")
        other = asyncio.create_task(deployment.reads(upheld("2016-04-11", "m01", "k2"), partition=1))
        await waits_for(deployment, "companies")
    await asyncio.gather(one, other)
    await deployment.fanouts()
    await deployment.check(END)
    assert sorted(await completed(deployment)) == [("k1", 3), ("k2", 3)]


async def test_a_move_that_is_read_late_takes_the_termination_from_one_company_to_the_other(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(3), enrolled("2016-03-01", "x0", "d"), enrolled("2016-03-01", "x1", "d"))
    await deployment.reads(upheld("2016-04-10", "m00"))
    await deployment.fanouts()
    await deployment.reads(enrolled("2016-04-05", "m00", "d", "moved"))
    await deployment.fanouts()
    await deployment.check(END)
    rows = await deployment.pool.fetch("select subject from current_decisions where kind = 'account_terminated'")
    assert {row["subject"] for row in rows} == {"m00", "x0", "x1"}
    withdrawn = await deployment.values("account_terminated_withdrawn")
    assert {each["account_id"] for each in withdrawn} >= {"m01", "m02"}
    assert all(fact["id"] == "moved" for each in withdrawn for fact in each["because"])


async def test_what_late_facts_take_from_a_company_is_named_to_its_members_by_the_first_hundred_of_them(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*members(3))
    await deployment.reads(upheld("2016-04-10", "m00"))
    await deployment.fanouts()
    orders = [order(local("2016-04-06") + index, "m00", f"o{index}") for index in range(150)]
    await deployment.reads(enrolled("2016-04-05", "m00", "d", "moved"), *orders)
    await deployment.fanouts()
    withdrawn = await deployment.values("account_terminated_withdrawn")
    assert {each["account_id"] for each in withdrawn} >= {"m01", "m02"}
    assert {(len(each["because"]), each["because_left_out"]) for each in withdrawn} == {(100, 51)}
    assert {each["because"][0]["id"] for each in withdrawn} == {"moved"}
    await deployment.check(END)


def last_instant(messages: list[Message]) -> Instant:
    return max(int(content["occurred_at"]) for _, content in messages)


async def test_concurrent_transactions_of_every_kind_decide_the_same_as_one_after_the_other(
    deployment: DatabaseDeployment,
) -> None:
    """Ingest in two partitions' worth of tasks, timers and fan-out beside one another: no deadlock, nothing lost."""
    await deployment.reads(*members(30, "c"), *[enrolled("2016-03-01", f"n{i}", "d", f"n{i}") for i in range(10)])
    work: list[Message] = []
    for number in range(30):
        work.append(order(f"2016-03-{number % 28 + 1:02} 09:00", f"m{number:02}", f"o{number}"))
        work.append(enrolled(f"2016-04-{number % 28 + 1:02}", f"m{number:02}", "d", f"move{number}"))
        if number % 6 == 0:
            work.append(upheld(f"2016-04-{number % 28 + 1:02} 12:00", f"m{number:02}"))
    end = last_instant(work)
    done = asyncio.Event()

    async def under_way() -> bool:
        found: bool = await deployment.pool.fetchval("select exists (select from company_fanouts)")
        return found

    async def fanout_on() -> None:
        while not done.is_set() or await under_way():
            fanout = await deployment.store.claim_fanout(0.1)
            if fanout is not None:
                await deployment.enforcement.process_fanout(fanout, 3)
            await asyncio.sleep(0.002)

    async def time_goes_on() -> None:
        for day in range(1, 29):
            await deployment.reaches(local(f"2016-03-{day:02}"))

    async def read(topic: str) -> None:
        for message in work:
            if message[0] == topic:
                await deployment.reads(message)

    others = [asyncio.create_task(fanout_on()) for _ in range(2)] + [asyncio.create_task(time_goes_on())]
    await asyncio.gather(*(read(topic) for topic in ("order-status", "seller-accounts", "complaints")))
    await others[2]
    done.set()
    await asyncio.gather(*others)
    await deployment.reaches(end)
    await deployment.check(end)


def long_name() -> str:
    """A name of 256 characters that NFKC makes some 1,000. No four bytes at its beginning come twice, so that
    PostgreSQL does not compress it.
    """
    name, seen = "", set[bytes]()
    wide = [chr(each) for each in (*range(0x3200, 0x3400), *range(0xFB50, 0xFDFA), *range(0x20000, 0x20080))]
    for each in sorted(filter(str.isprintable, wide), key=lambda each: -len(company_key(None, each).encode())):
        start, key = len(company_key(None, name).encode()), company_key(None, name + each).encode()
        windows = [key[at : at + 4] for at in range(max(0, start - 3), len(key) - 3)]
        if " " not in company_key(None, each) and len({*windows}) == len(windows) and seen.isdisjoint(windows):
            seen.update(windows)
            name += each
        if len(key) > 940:
            break
    return name.ljust(256, "\ufdfa")


async def test_a_company_whose_normalised_name_exceeds_an_index_entry_is_terminated_and_reversed_under_its_full_key(
    deployment: DatabaseDeployment,
) -> None:
    name = long_name()
    key = company_key(None, name)
    assert len(key.encode()) > 2704 > len(name.encode())
    for account_id in ("a", "b"):
        content = {"event_id": account_id, "account_id": account_id, "status": "enrolled", "company_name": name}
        await deployment.reads(("seller-accounts", content | {"occurred_at": local("2016-03-01")}))
    await deployment.reads(upheld("2016-04-01", "a"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 2)]
    await deployment.reads(case("2016-04-02", "dismissed", "a"))
    await deployment.fanouts()
    for kind in ("company_terminated", "company_termination_completed", "company_termination_reversed"):
        assert [each["company"]["key"] for each in await deployment.values(kind)] == [key], kind
    expected, _ = from_scratch(deployment.read, deployment.policies, END)
    assert await deployment.net() == {each.id: each.kind for each in expected}
