"""A company of ten thousand is terminated and reversed, and a hundred thousand deadlines end at one midnight.

Meanwhile other accounts are decided within seconds.
"""

import asyncio
import time

from tests.faults.deployment import FaultyDeployment
from tests.support.facts import Message, case, enrolled, paid
from tests.support.long import long
from workers.devservers.stack import LocalServers

MEMBERS = 10_000
DEADLINES = 100_000
AT_ONCE = 50_000
SUSPENDED = """
select complete and not exists (
    select from accounts where next_check <= '2017-01-15 00:00+08' and quarantined is null
)
from (select min(watermark) >= '2017-01-15 00:00+08' as complete from positions) as watermark
"""
LONGEST_WAIT = 5.0
"""Seconds until a bystander is decided; two cores do all the work, servers included."""


async def send(deployment: FaultyDeployment, messages: list[Message]) -> None:
    for start in range(0, len(messages), AT_ONCE):
        await asyncio.to_thread(deployment.plain.send, messages[start : start + AT_ONCE])


async def bystanders(deployment: FaultyDeployment, day: str, over: asyncio.Event) -> list[float]:
    """Enrol sellers one after the other and measure how long each takes to become active."""
    waits: list[float] = []
    while not over.is_set():
        name = f"bystander-{day}-{len(waits)}"
        began = time.monotonic()
        await send(deployment, [enrolled(name, f"{day} 12:00", f"other-{len(waits)}")])
        await deployment.until(
            "select true from accounts where account_id = $1 and standing_digest is not null", name
        )
        waits.append(time.monotonic() - began)
    return waits


async def fan_out_in(
    deployment: FaultyDeployment, messages: list[Message], sent: int, day: str
) -> tuple[float, list[float], int]:
    """Send what concerns the whole company; seconds until it is all decided, what bystanders waited, records sent."""
    over = asyncio.Event()
    waiting = asyncio.create_task(bystanders(deployment, day, over))
    began = time.monotonic()
    await send(deployment, messages)
    await deployment.until("select exists (select from company_fanouts)")
    await deployment.until("select not exists (select from company_fanouts)")
    took = time.monotonic() - began
    over.set()
    waits = await waiting
    return took, waits, sent + len(messages) + len(waits)


@long
async def test_a_company_of_ten_thousand_is_terminated_reversed_and_terminated_while_others_go_on(
    servers: LocalServers,
) -> None:
    members = [f"member-{number:05d}" for number in range(MEMBERS)]
    first = [enrolled(each, "2016-03-01 10:00") for each in members]
    first += [paid(each, "2016-03-10 10:00") for each in members]
    steps = [
        (case(members[7], "2016-03-20 10:00"), "2016-03-20"),
        (case(members[7], "2016-03-25 10:00", "reversed"), "2016-03-25"),
        (case(members[8], "2016-03-28 10:00", case_id="k2"), "2016-03-28"),
    ]
    made = FaultyDeployment.made(servers.bootstrap, servers.postgres, "large_company", STANDING_BATCH_SIZE="5000")
    async with made as deployment:
        deployment.patience_seconds = 300
        async with deployment.working():
            await send(deployment, first)
            sent = len(first)
            await deployment.processed(sent, "2016-03-10 10:00+08")
            for message, day in steps:
                took, waits, sent = await fan_out_in(deployment, [message], sent, day)
                await deployment.processed(sent, f"{day} 12:00+08")
                print(f"{day}: fan-out in {took:.1f} s, {len(waits)} bystanders waited {max(waits):.2f} s at most")
                assert max(waits) < LONGEST_WAIT
            await deployment.published()
        _, verdict = await deployment.at_rest()
    print(verdict)
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    assert verdict.figures["decisions"] > 4 * MEMBERS, "enrolled, terminated, reinstated, terminated"


@long
async def test_a_hundred_thousand_deadlines_at_one_midnight_while_others_go_on(servers: LocalServers) -> None:
    sellers = [f"seller-{number:06d}" for number in range(DEADLINES)]
    first = [enrolled(each, "2016-03-01 10:00", each) for each in sellers]
    first += [paid(each, "2016-03-10 10:00") for each in sellers]
    made = FaultyDeployment.made(servers.bootstrap, servers.postgres, "one_midnight", STANDING_BATCH_SIZE="5000")
    async with made as deployment:
        deployment.patience_seconds = 600
        async with deployment.working():
            await send(deployment, first)
            await deployment.processed(len(first), "2016-03-10 10:00+08")
            over, began = asyncio.Event(), time.monotonic()
            waiting = asyncio.create_task(bystanders(deployment, "2017-01-15", over))
            await send(deployment, [enrolled("clock", "2017-01-15 00:00")])
            await deployment.until(SUSPENDED)
            took = time.monotonic() - began
            over.set()
            waits = await waiting
            await deployment.processed(len(first) + 1 + len(waits), "2017-01-15 12:00+08")
            await deployment.published()
        _, verdict = await deployment.at_rest()
    print(f"{DEADLINES:,} sellers were suspended in {took:.1f} s")
    print(f"{len(waits)} bystanders waited {sorted(waits)[len(waits) // 2]:.2f} s, {max(waits):.2f} s at most")
    print(verdict)
    assert verdict.clean, f"{verdict}\n{deployment.tail()}"
    assert verdict.figures["decisions"] > 2 * DEADLINES
    assert len(waits) > 1, "who enrolled at that midnight waited for all of it"
