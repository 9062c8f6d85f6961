"""A case never terminates the company that its account had left, whatever of the registry is unread when it comes.

With the wall clock, one partition of each topic, and three ingest workers, so that the registry and the cases are
read by different ones. A move that was acknowledged before the case was produced counts before it, always.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.flows.three_brokers import three_brokers
from tests.support.broker import transaction
from tests.support.databases import rows, until, url_of
from tests.support.deployment import Deployment
from tests.support.facts import Message
from tests.support.long import long
from workers.devservers.stack import LocalServers
from workers.topic_specs import topic_specs

ROUNDS = 6
OPEN_SECONDS = 0.4
BEHIND = timedelta(seconds=120)
UNREAD_SECONDS = 3.0
OF_THE_OLD_COMPANIES = "exists (select from decision_log where subject like 'id:left-%' or kind like '%withdrawn')"


@pytest.fixture
def wall(deployment: Deployment) -> Deployment:
    """A deployment for the wall clock, not set up yet, of one partition each."""
    return with_wall_clock(deployment.environment)


def with_wall_clock(environment: dict[str, str]) -> Deployment:
    """Another deployment on the same servers, with the wall clock and one partition of each topic."""
    prefix = environment["STANDING_TOPIC_PREFIX"].rstrip(".")
    return Deployment(
        environment
        | {
            "STANDING_CLOCK": "wall",
            "STANDING_PARTITIONS": "1",
            "STANDING_INGESTS": "3",
            "STANDING_TOPIC_PREFIX": f"{prefix}w.",
            "STANDING_DATABASE_URL": environment["STANDING_DATABASE_URL"] + "w",
            "STANDING_ALLOWED_LATENESS_SECONDS": "600",
        }
    )


def before_now(by: timedelta = timedelta(0)) -> str:
    """An instant, `by` before this one."""
    return (datetime.now(UTC) - by).isoformat()


def moves(account: str, company: str, at: str) -> Message:
    """The account enrols under a company, or moves there."""
    fields = {"event_id": f"{account}-{company}", "account_id": account, "status": "enrolled", "occurred_at": at}
    return ("seller-accounts", account, fields | {"company_id": company, "company_name": company})


def upheld(account: str, at: str) -> Message:
    """A case against the account that terminates its company."""
    fields = {"event_id": f"case-{account}", "case_id": "k", "account_id": account, "outcome": "upheld"}
    fields |= {"source": "buyer_complaint", "category": "refusal_of_trade_assurance", "occurred_at": at}
    return ("complaints", account, fields)


def enrolled(number: int) -> list[Message]:
    """An account and another one, both of a company that the first one is to leave."""
    yesterday = before_now(timedelta(days=1))
    return [moves(f"{who}-{number}", f"left-{number}", yesterday) for who in ("mover", "stayer")]


async def decided(deployment: Deployment, number: int) -> None:
    """Wait until the case against the mover is decided, one way or the other."""
    await until(
        deployment,
        f"exists (select from decision_log where subject = 'mover-{number}' and kind = 'account_terminated')",
    )


async def nobody_else_was_hit(deployment: Deployment, rounds: int) -> None:
    """Each case terminated the company that its account had moved to, and nothing was ever taken back."""
    assert not (await rows(deployment, f"select {OF_THE_OLD_COMPANIES}"))[0][0]
    found = await rows(
        deployment, "select subject from decision_log where kind = 'company_terminated' order by subject"
    )
    assert found == [(f"id:joined-{number}",) for number in range(rounds)]


async def a_move_lies_in_an_open_transaction(deployment: Deployment) -> None:
    for number in range(ROUNDS):
        deployment.send(enrolled(number))
        await until(
            deployment, f"exists (select from accounts where account_id = 'stayer-{number}' and standing = 'active')"
        )
        topic, key, move = moves(f"mover-{number}", f"joined-{number}", before_now(timedelta(minutes=1)))
        with transaction(
            deployment.environment["STANDING_KAFKA_BOOTSTRAP"], f"{deployment.prefix}{number}"
        ) as registry:
            registry.produce(deployment.prefix + topic, json.dumps(move).encode(), key)
            registry.flush()
            deployment.send([upheld(f"mover-{number}", before_now())])
            await asyncio.sleep(OPEN_SECONDS)  # how long the transaction stays open is the fault
        await decided(deployment, number)
    await nobody_else_was_hit(deployment, ROUNDS)


async def test_a_move_in_a_transaction_that_is_open_when_the_case_comes_counts_before_it(wall: Deployment) -> None:
    wall.standing("setup")
    with wall.working():
        await a_move_lies_in_an_open_transaction(wall)


async def test_a_move_that_lies_unread_counts_before_its_case_whatever_the_producers_clocks_say(
    wall: Deployment,
) -> None:
    wall.standing("setup")
    with wall.working():
        wall.send(enrolled(0))
        await until(wall, "(select count(*) = 2 from accounts where standing = 'active')")
        topic, key, move = moves("mover-0", "joined-0", before_now(BEHIND))
        producer = Producer({**wall.settings.kafka.librdkafka(), "acks": "all"})
        connection = await asyncpg.connect(url_of(wall))
        async with connection.transaction():  # nothing of the registry is processed meanwhile
            await connection.execute("select from positions where topic = 'seller-accounts' for update")
            stamp = int((datetime.now(UTC) - BEHIND).timestamp() * 1000)
            producer.produce(wall.prefix + topic, json.dumps(move).encode(), key, timestamp=stamp)
            assert producer.flush(30) == 0
            wall.send([upheld("mover-0", before_now(BEHIND))])
            await asyncio.sleep(UNREAD_SECONDS)  # how long the registry lags is the fault
        await connection.close()
        await decided(wall, 0)
        await nobody_else_was_hit(wall, 1)


async def led_by(bootstrap: str, deployment: Deployment, leaders: dict[str, int]) -> None:
    """Make topics whose only partition is led by the broker that is named."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    specs = {each.name.removeprefix(deployment.prefix): each for each in topic_specs(deployment.settings)}
    made = []
    for topic, leader in leaders.items():
        replicas = [leader, *(number for number in (1, 2, 3) if number != leader)]
        made.append(NewTopic(specs[topic].name, 1, replica_assignment=[replicas], config=dict(specs[topic].config)))
    for created in admin.create_topics(made).values():
        await asyncio.wrap_future(created)


@long
async def test_the_leaders_of_the_registry_and_of_the_cases_are_different_brokers(
    servers: LocalServers, topic_prefix: str
) -> None:
    with three_brokers() as nodes:
        bootstrap = ",".join(each.bootstrap for each in nodes)
        environment = {
            "STANDING_KAFKA_BOOTSTRAP": bootstrap,
            "STANDING_DATABASE_URL": servers.postgres.url(topic_prefix.rstrip(".")),
            "STANDING_TOPIC_PREFIX": topic_prefix,
            "STANDING_SHARDS": "1",
        }
        deployment = with_wall_clock(environment)
        await led_by(bootstrap, deployment, {"seller-accounts": 1, "complaints": 2, "order-status": 3})
        deployment.standing("setup")
        with deployment.working():
            await a_move_lies_in_an_open_transaction(deployment)
