"""Companies on the real store: who joins while a company is terminated, and how a termination is fan-out."""

import asyncio

import pytest

from tests.model.story import case, closed, enrolled, local, order
from tests.properties.rules_engine import Message, from_scratch
from tests.support.database_deployment import Deployment, break_for
from workers.enforcement import completion, evaluate, process
from workers.rules.calendar import Instant
from workers.rules.facts import company_key
from workers.store.records import Fanout

END = local("2016-06-01")


def upheld(at: str, account: str, case_id: str = "k") -> Message:
    return case(at, account=account, case_id=case_id, category="refusal_of_trade_assurance")


def members(count: int, company: str = "c") -> list[Message]:
    return [enrolled("2016-03-01", f"m{number:02}", company, f"e{number}") for number in range(count)]


async def claimed(deployment: Deployment) -> Fanout:
    fanout = await deployment.store.claim_fanout(0.0)
    assert fanout is not None
    return fanout


async def completed(deployment: Deployment) -> list[tuple[str, int]]:
    """Cases and the number of accounts that each completed termination hit."""
    found = await deployment.values("company_termination_completed")
    return [(each["case_id"], each["accounts"]) for each in found]


async def waits_for(deployment: Deployment, lock: str) -> None:
    """Return once some connection waits for a lock in a statement that speaks of `lock`."""
    async with asyncio.timeout(10):
        while not await deployment.pool.fetchval(  # noqa: ASYNC110  # the database sets no event
            "select exists (select from pg_stat_activity where datname = current_database() "
            "and wait_event_type = 'Lock' and query ilike '%' || $1 || '%')",
            lock,
        ):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("first", ["the case", "who joins"])
async def test_who_joins_while_the_company_is_terminated_does_not_escape(deployment: Deployment, first: str) -> None:
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


async def test_two_cases_against_one_company_at_once_wait_for_each_other_and_both_terminate_it(
    deployment: Deployment,
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


async def test_a_fanout_goes_through_the_members_in_chunks_and_signals_once_how_many_were_hit(
    deployment: Deployment,
) -> None:
    await deployment.reads(*members(10), enrolled("2016-03-01", "away", "c"), closed("2016-04-01", "away"))
    await deployment.reads(upheld("2016-04-10", "m03"))
    assert [each["account_id"] for each in await deployment.values("account_terminated")] == ["m03"]
    cursors = []
    for _ in range(3):
        await deployment.enforcement.process_fanout(await claimed(deployment), 4)
        cursors.append((await claimed(deployment)).cursor)
    assert cursors == ["m02", "m06", "m09"]  # "away" is before them all
    assert await completed(deployment) == []
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 10)]
    assert await deployment.pool.fetchval("select count(*) from company_fanouts") == 0
    await deployment.check(END)


async def test_a_newer_version_of_the_company_goes_round_with_its_fanout_and_the_older_one_ends_nothing(
    deployment: Deployment,
) -> None:
    await deployment.reads(*members(6))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    old = await claimed(deployment)
    await deployment.enforcement.process_fanout(old, 4)
    old = await claimed(deployment)
    assert (old.cursor, old.version) == ("m03", 1)
    await deployment.reads(upheld("2016-04-11", "m05", "k2"))
    on = await claimed(deployment)
    assert (on.cursor, on.version) == ("m03", 1)
    await deployment.enforcement.process_fanout(on, 4)
    on = await claimed(deployment)
    await deployment.enforcement.process_fanout(old, 4)  # a worker that was slow goes on where it was
    await deployment.enforcement.process_fanout(
        old._replace(cursor="m05x"), 4
    )  # or where nobody is, and would end it
    assert await claimed(deployment) == on
    assert await completed(deployment) == []
    await deployment.enforcement.process_fanout(on, 4)
    assert await completed(deployment) == [("k1", 6)]
    again = await claimed(deployment)
    assert (again.cursor, again.version) == ("", 2)
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 6), ("k2", 6)]
    await deployment.check(END)


@pytest.mark.parametrize("chunk", [4, 7])
async def test_with_a_case_during_every_chunk_the_last_member_is_reached_and_every_completion_comes(
    deployment: Deployment, chunk: int
) -> None:
    """The way round is as long as it is without new cases; a termination is complete after two of them at most."""
    await deployment.reads(*members(20), closed("2016-04-01", "m02", "closing"))
    way = -(-20 // chunk) + 1
    seen: list[str] = []
    for number in range(3 * way):
        await deployment.reads(upheld(f"2016-04-10 12:00:{number:02}", f"m{number % 20:02}", f"k{number:02}"))
        await deployment.enforcement.process_fanout(await claimed(deployment), chunk)
        hit = {each["account_id"] for each in await deployment.values("account_terminated")}
        assert number < way - 2 or "m19" in hit, f"the last member is not terminated after {number + 1} chunks"
        seen = [case_id for case_id, _ in await completed(deployment)]
        assert number < 2 * way or f"k{number - 2 * way:02}" in seen, f"no completion after {number + 1} chunks"
    await deployment.fanouts(chunk)
    assert sorted(await completed(deployment)) == [(f"k{number:02}", 19) for number in range(3 * way)]
    assert await deployment.pool.fetchval("select count(*) from company_fanouts") == 0
    await deployment.check(END)


async def test_a_way_round_is_short_where_each_member_has_much_to_be_decided(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The members of one transaction times the terminations that each is decided about have a limit."""
    monkeypatch.setattr(process, "MOST_TERMINATIONS", 20)
    await deployment.reads(*members(10))
    await deployment.reads(*(upheld(f"2016-04-{day + 1:02}", "m00", f"k{day}") for day in range(7)))
    assert (await deployment.enforcement.process_fanout(await claimed(deployment), 400)).accounts == 2
    await deployment.fanouts(400)
    assert sorted(await completed(deployment)) == [(f"k{day}", 10) for day in range(7)]
    await deployment.check(END)


async def test_many_terminations_are_completed_a_few_in_a_transaction(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "COMPLETED_AT_ONCE", 3)
    monkeypatch.setattr(completion, "PAGE", 2)
    await deployment.reads(*members(5))
    await deployment.reads(*(upheld(f"2016-04-{day + 1:02}", "m00", f"k{day}") for day in range(7)))
    await deployment.enforcement.process_fanout(await claimed(deployment), 400)
    for expected in (3, 6, 7):
        await deployment.enforcement.process_fanout(await claimed(deployment), 400)
        assert len(await completed(deployment)) == expected
    assert sorted(await completed(deployment)) == [(f"k{day}", 5) for day in range(7)]
    assert await deployment.store.claim_fanout(0.0) is None


async def test_a_withdrawal_during_the_way_names_the_facts_of_every_case_that_the_member_has_not_heard_of(
    deployment: Deployment,
) -> None:
    await deployment.reads(*members(6))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    await deployment.fanouts()
    await deployment.reads(enrolled("2016-04-05", "m00", "d", "moved"))
    await deployment.reads(upheld("2016-04-12", "m01", "k2"))
    await deployment.fanouts()
    withdrawn = [
        each for each in await deployment.values("account_terminated_withdrawn") if each["account_id"] == "m05"
    ]
    assert [{fact["id"] for fact in each["because"]} for each in withdrawn] == [{"moved", "k2-upheld"}]


async def test_a_completion_is_signalled_once_though_the_termination_is_fanout_again(deployment: Deployment) -> None:
    await deployment.reads(*members(3))
    await deployment.reads(upheld("2016-04-10", "m00", "k1"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 3)]
    await deployment.reads(case("2016-04-12", "reversed", "m00", "k1"))
    await deployment.fanouts()
    await deployment.reads(enrolled("2016-03-20", "late", "c"), upheld("2016-04-20", "late", "k2"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k1", 3), ("k2", 4)]
    await deployment.check(END)


async def test_a_company_whose_every_account_is_closed_is_completed_with_nobody_hit(deployment: Deployment) -> None:
    await deployment.reads(*members(2))
    await deployment.reads(closed("2016-04-01", "m00", "x0"), closed("2016-04-01", "m01", "x1"))
    await deployment.reads(upheld("2016-04-10", "m01"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 0)]
    await deployment.check(END)


async def test_a_move_that_is_read_late_takes_the_termination_from_one_company_to_the_other(
    deployment: Deployment,
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
    deployment: Deployment,
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


async def test_who_joins_behind_the_cursor_of_a_fanout_is_counted_too(deployment: Deployment) -> None:
    await deployment.reads(*members(10))
    await deployment.reads(upheld("2016-04-10", "m03"))
    await deployment.enforcement.process_fanout(await claimed(deployment), 4)
    await deployment.reads(enrolled("2016-03-02", "a0", "c", "late"))
    assert "a0" in {each["account_id"] for each in await deployment.values("account_terminated")}
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 11)]
    await deployment.check(END)


async def test_no_company_is_complete_while_one_who_joined_behind_the_cursor_is_held(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*members(10))
    await deployment.reads(upheld("2016-04-10", "m03"))
    await deployment.enforcement.process_fanout(await claimed(deployment), 4)
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "a0")
        await deployment.reads(enrolled("2016-03-02", "a0", "c", "late"))
        await deployment.fanouts()
    assert await completed(deployment) == []
    await deployment.reads(order("2016-04-20", "a0", "o"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 11)]
    await deployment.check(END)


async def test_who_is_judged_while_a_fanout_is_under_way_is_terminated_at_once(deployment: Deployment) -> None:
    await deployment.reads(*members(5))
    await deployment.reads(upheld("2016-04-10", "m00"))
    await deployment.reads(order("2016-04-20", "m04", "o"), order("2016-04-21", "m04", "o2"))
    hit = {each["account_id"] for each in await deployment.values("account_terminated")}
    assert hit == {"m00", "m04"}
    await deployment.fanouts()
    await deployment.check(END)
    assert await completed(deployment) == [("k", 5)]


def last_instant(messages: list[Message]) -> Instant:
    return max(int(content["occurred_at"]) for _, content in messages)


async def test_transactions_of_every_kind_at_once_end_with_what_one_reader_would_have_decided(
    deployment: Deployment,
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


@pytest.mark.parametrize("chunk", [1, 10])
async def test_completion_waits_for_members_whose_deadline_is_not_proved_and_counts_them(
    deployment: Deployment, chunk: int
) -> None:
    """The members' first notice falls at 07-30; what happened after it cannot be judged before it is proved."""
    await deployment.reads(*members(3), order("2016-07-29", "m00", "o1"))
    await deployment.move_watermark(local("2016-07-29"))
    await deployment.reads(upheld("2016-07-30 00:01", "m00"))
    await deployment.fanouts(chunk)
    assert await completed(deployment) == []
    await deployment.reads(order("2016-07-30 00:02", "m01", "o2"))  # decides nothing yet either
    await deployment.fanouts(chunk)
    assert await completed(deployment) == []
    await deployment.reaches(local("2016-07-31"))
    await deployment.fanouts(chunk)
    assert await completed(deployment) == [("k", 3)]
    await deployment.check(local("2016-07-31"))


async def test_completion_waits_for_a_member_that_is_held(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*members(3))
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", "m01")
        await deployment.reads(upheld("2016-04-10", "m00"))
        await deployment.fanouts()
    assert await completed(deployment) == []
    await deployment.reads(order("2016-04-11", "m01", "o1"))
    await deployment.fanouts()
    assert await completed(deployment) == [("k", 3)]
    await deployment.check(END)


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


async def test_a_company_whose_normalised_name_fits_no_index_is_terminated_and_taken_back_under_its_whole_key(
    deployment: Deployment,
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
