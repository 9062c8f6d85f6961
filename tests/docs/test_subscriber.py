"""The example subscriber on real servers: killed at any instant, its view is that of `account-standing`."""

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from confluent_kafka import Producer

from tests.support.deployment import Deployment
from tests.support.facts import Message, asks, case, enrolled, paid

PROGRAM = Path(__file__).parents[2] / "docs" / "examples" / "subscriber.py"
READ = ("suspensions", "reactivation-expiries", "restorations", "request-outcomes", "account-terminations")
ACCOUNTS = [f"a{number:03}" for number in range(300)]
LIMIT_SECONDS = 120.0


@contextmanager
def subscribing(deployment: Deployment, database: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program while the block runs; ended by kill -9."""
    bootstrap = deployment.environment["STANDING_KAFKA_BOOTSTRAP"]
    command = [sys.executable, str(PROGRAM), bootstrap, str(database), deployment.prefix]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def look_up(database: Path, question: str) -> set[str]:
    """What the view answers; nothing where the program has not made it yet."""
    with closing(sqlite3.connect(database, timeout=10)) as connection:  # may write: it rolls back what a kill left
        if not connection.execute("select 1 from sqlite_master where name = 'suspended'").fetchall():
            return set()
        return {row[0] for row in connection.execute(question)}


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "the subscriber did not come so far"
        time.sleep(0.005)


def suspended(deployment: Deployment) -> set[str]:
    """The suspended accounts in the compacted topic, which the program does not read."""
    newest = {each.value["account_id"]: each.value["standing"] for each in deployment.published(["account-standing"])}
    return {account for account, standing in newest.items() if standing == "suspended"}


def year() -> list[list[Message]]:
    """Everyone is suspended; then some paid before that after all, some ask, pay or are terminated.

    Of some who paid after their suspension, or at its very instant, another payment is read that moves it.
    """
    late = [paid(account, "2016-08-20 00:00", f"late-{account}") for account in ACCOUNTS[:60]]
    at_once = [paid(account, "2016-08-29 00:00") for account in ACCOUNTS[220:230]]
    moved = [
        *(paid(account, "2016-03-05 00:00", f"moves-{account}") for account in ACCOUNTS[140:160]),
        *(paid(account, "2016-03-01 12:00", f"moves-{account}") for account in ACCOUNTS[220:230]),
    ]
    return [
        [enrolled(account, "2016-03-01 10:00", f"c{index}") for index, account in enumerate(ACCOUNTS)],
        [paid("clock", "2016-09-10 00:00")],
        [*late, *(asks(account, "2016-09-12 00:00") for account in ACCOUNTS[60:120])],
        [*at_once, *(paid(account, "2016-09-14 00:00") for account in ACCOUNTS[100:160])],
        [*moved, *(case(account, "2016-09-15 00:00") for account in ACCOUNTS[200:210])],
        [paid("clock", "2016-10-20 00:00")],
    ]


def progress(database: Path) -> int:
    """How many messages the view contains."""
    found = look_up(database, "select coalesce(sum(next), 0) from offsets")
    return int(found.pop()) if found else 0


def test_a_subscriber_killed_again_and_again_ends_with_the_same_view(deployment: Deployment, tmp_path: Path) -> None:
    database = tmp_path / "view.db"
    database.touch()
    moments = random.Random(7)  # noqa: S311  # instants of a kill, not a secret
    killed_at: list[int] = []
    with deployment.working():
        for facts in year():
            deployment.send(facts)
            before = progress(database)
            with subscribing(deployment, database):
                until(lambda seen=before: progress(database) > seen)  # type: ignore[misc]
                time.sleep(moments.uniform(0, 0.05))  # no condition: another instant of its work each time
            killed_at.append(progress(database))
            with subscribing(deployment, database):
                time.sleep(moments.uniform(0.2, 1.2))
            killed_at.append(progress(database))
            deployment.drain()
    expected = suspended(deployment)
    assert expected
    with subscribing(deployment, database):
        until(lambda: look_up(database, "select account from told") == expected)
    assert look_up(database, "select account from suspended") == expected
    assert len({at for at in killed_at if at < progress(database)}) > 3, f"it was hardly killed at work: {killed_at}"


def test_messages_that_are_published_twice_change_nothing(deployment: Deployment, tmp_path: Path) -> None:
    """A suspension that is withdrawn, and one that is withdrawn and published again under its id: all of it twice."""
    database = tmp_path / "view.db"
    database.touch()
    with deployment.working():
        deployment.send([enrolled("zhang", "2016-03-01 10:00"), enrolled("li", "2016-03-01 10:00", "li")])
        deployment.send([paid("clock", "2016-09-10 00:00")])
        deployment.drain()
        deployment.send(
            [paid("zhang", "2016-08-20 00:00"), paid("li", "2016-03-01 12:00"), case("li", "2016-09-11 00:00")]
        )
        deployment.drain()
        deployment.send([case("li", "2016-09-12 00:00", "reversed"), paid("clock", "2016-09-13 00:00")])
        deployment.drain()
    expected = suspended(deployment)
    assert expected == {"li"}
    messages = deployment.published()
    withdrawn = {each.value["withdraws"] for each in messages if "withdraws" in each.value}
    assert {name for name in withdrawn if sum(each.value.get("decision_id") == name for each in messages) > 1}
    with subscribing(deployment, database):
        until(lambda: look_up(database, "select account from told") == expected)
    producer = Producer({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})
    for each in messages:
        producer.produce(deployment.prefix + each.topic, json.dumps(each.value).encode(), each.key, each.partition)
    producer.flush(30)
    before = progress(database)
    with subscribing(deployment, database) as program:
        until(lambda: progress(database) >= before + len([each for each in messages if each.topic in READ]))
        assert program.poll() is None
    assert look_up(database, "select account from suspended") == expected


def test_two_subscribers_of_one_database_do_not_process_a_message_twice(
    deployment: Deployment, tmp_path: Path
) -> None:
    database = tmp_path / "view.db"
    database.touch()
    with deployment.working():
        deployment.send([enrolled("zhang", "2016-03-01 10:00")])
        deployment.drain()
        with subscribing(deployment, database) as one:
            until(lambda: progress(database) > 0)
            with subscribing(deployment, database) as other:
                deployment.send([paid("clock", "2016-03-02 10:00"), paid("clock", "2016-09-10 00:00")])
                numbers = count()

                def met() -> bool:
                    """Whether one of them has ended; until then there are more messages to process."""
                    deployment.send([enrolled(f"a{next(numbers)}", "2016-09-11 00:00")])
                    return one.poll() is not None or other.poll() is not None

                until(met)
        deployment.drain()  # they may have met before the suspension was decided
    with subscribing(deployment, database):
        until(lambda: look_up(database, "select account from told") == {"zhang"})
