"""The engine on servers that let nobody in without TLS and a password, each process with the rights it needs.

Owns one deployment, set up as the documents say: the roles by psql, the rest by `standing setup` as the owner. No
password may show up in anything that is printed, logged or scraped.
"""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import asyncpg
import click
import pytest
from aiokafka import AIOKafkaConsumer

from tests.flows.secured import KAFKA_PASSWORD, PREFIX, WITH_TLS, SecuredServers, secured_servers
from tests.support.deployment import Deployment, check_promises, net, opened
from tests.support.endpoints import ask, free_ports
from tests.support.facts import case, enrolled, paid
from workers.commands.drain import drain
from workers.commands.hold import hold
from workers.commands.redrive import Selection, redrive
from workers.commands.status import read_status
from workers.kafka.admin import cluster_id
from workers.ops.terminal import Terminal
from workers.recovery.replay import replay_topics
from workers.run_command import one_clear_line
from workers.wiring import open_database, open_worker

pytestmark = pytest.mark.skipif(find_spec(WITH_TLS) is None, reason="there is no PostgreSQL with TLS for this system")

ROLES_FILE = Path(__file__).parents[2] / "schemas" / "postgres" / "roles.sql"
PASSWORDS = {role: f"secret-of-{role}" for role in ("owner", "worker", "relay", "reader")}
POSTGRES_REFUSES = 'password authentication failed for user "standing_worker"'
SECRETS = [KAFKA_PASSWORD, *PASSWORDS.values()]


@dataclass(frozen=True, slots=True)
class Secured:
    """One deployment on secured servers, seen by each role."""

    servers: SecuredServers

    def url(self, role: str, **parameters: str) -> str:
        """How a role reaches the deployment's database."""
        return self.servers.database_url(f"standing_{role}", PASSWORDS[role], **parameters)

    def deployment(self, role: str, kafka: Mapping[str, str] | None = None, **changed: str) -> Deployment:
        """The deployment, as an operator or a process with the role has it; at Kafka by a password, or by `kafka`."""
        return Deployment(
            {
                **(self.servers.by_password() if kafka is None else kafka),
                "STANDING_DATABASE_URL": self.url(role),
                "STANDING_TOPIC_PREFIX": PREFIX,
                "STANDING_PARTITIONS": "2",
                "STANDING_CLOCK": "events",
                "STANDING_ALLOWED_LATENESS_SECONDS": "0",
                **changed,
            }
        )


@pytest.fixture(scope="module")
def secured(own_servers: None) -> Iterator[Secured]:
    """A deployment that was set up by its owner."""
    with secured_servers() as servers:
        superuser = servers.database_url("postgres", "", "postgres")
        statements = [f"alter role standing_{role} password '{word}'" for role, word in PASSWORDS.items()]
        psql = [str(servers.postgres.programs / "psql"), "-q", "-d", superuser, "-v", "ON_ERROR_STOP=1"]
        subprocess.run([*psql, "-f", str(ROLES_FILE)], check=True)
        subprocess.run([*psql, "-f", str(ROLES_FILE)], check=True)  # safe to repeat
        commands = ["create database standing owner standing_owner", *statements]
        subprocess.run([*psql, *(part for each in commands for part in ("-c", each))], check=True)
        made = Secured(servers)
        made.deployment("owner").standing("setup")
        yield made


def without_secrets(text: str) -> str:
    """The same text, which shows none of the passwords."""
    assert not [secret for secret in SECRETS if secret in text], text
    return text


async def test_each_process_does_its_work_with_its_own_role_and_no_password_shows(
    secured: Secured, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = secured.deployment("reader")
    first = free_ports(4)
    with ExitStack() as running:
        for port, worker in enumerate(("ingest", "timers", "fanout", "relay"), first):
            role = "relay" if worker == "relay" else "worker"
            deployment = secured.deployment(role, STANDING_METRICS_PORT=str(port))
            running.enter_context(deployment.working(worker))
        members = [enrolled(f"m{number}", "2016-03-01 10:00") for number in range(5)]
        reader.send([*members, enrolled("idle", "2016-03-01 10:00", "other"), ("order-status", "bad", b"no json")])
        reader.send([case("m1", "2016-06-01 00:00"), paid("idle", "2016-03-02 00:00")])
        reader.drain()
        reader.send([paid("clock", "2016-09-18 00:00")])
        async with opened(reader.settings) as made:
            assert (await redrive(*made, Selection())).sent == 1
            assert (await drain(*made, 60, lambda _: None)).nothing
            assert (await read_status(*made)).stuck == []
        assert [ask(port, "/ready") for port in range(first, first + 4)] == [(200, "ok\n")] * 4
        scraped = [ask(port, "/metrics") for port in range(first, first + 4)]
    messages = reader.published()
    check_promises(messages)
    decided = [(each["kind"], each["account_id"]) for each in net(messages).values() if "account_id" in each]
    assert sorted(account for kind, account in decided if kind == "account_terminated") == [f"m{n}" for n in range(5)]
    assert ("account_suspended", "idle") in decided
    assert len([each for each in messages if each.topic == "dead-letters"]) == 2, "the one sent back is bad again"
    replayed = await replay_topics(Terminal(), reader.settings, None)
    assert replayed.replay.in_force.keys() == net(messages).keys()
    printed = capfd.readouterr()
    assert "partitions claimed" in printed.err
    without_secrets(printed.out + printed.err)
    for status, text in scraped:
        assert status == 200
        without_secrets(text)


async def test_every_way_into_kafka_is_open_to_both_client_libraries(secured: Secured) -> None:
    mechanisms = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    ways = [secured.deployment("reader", STANDING_KAFKA_SASL_MECHANISM=each) for each in mechanisms]
    for way in (*ways, secured.deployment("reader", secured.servers.by_certificate())):
        kafka = way.settings.kafka
        assert await cluster_id(kafka)
        consumer = AIOKafkaConsumer(**kafka.aiokafka())
        await consumer.start()
        assert await consumer.topics()
        await consumer.stop()


async def test_no_role_but_the_owner_can_change_what_was_published_and_none_waits_for_ever(secured: Secured) -> None:
    connections = {role: await asyncpg.connect(secured.url(role)) for role in PASSWORDS}
    try:
        for role, connection in connections.items():
            assert await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                assert await connection.fetchval("select current_setting($1)", limit) != "0", f"{role}: {limit}"
        for role in ("worker", "relay", "reader"):
            assert await may(connections[role], "update, delete, truncate") == MAY_CHANGE[role]
            assert await may(connections[role], "insert") == MAY_ADD[role]
    finally:
        for connection in connections.values():
            await connection.close()


MAY_CHANGE = {
    "worker": "account_clocks accounts companies company_fanouts current_decisions dead_letter_windows deployment"
    " order_spans positions shards",
    "relay": "deployment",
    "reader": "",
}
MAY_ADD = {
    "worker": "account_clocks accounts companies company_fanouts current_decisions dead_letter_windows decision_log"
    " facts memberships order_spans",
    "relay": "",
    "reader": "",
}


async def test_the_database_must_have_the_name_in_its_certificate(secured: Secured) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'localhost'"):
        await asyncpg.connect(secured.url("reader").replace("@127.0.0.1", "@localhost"))


async def may(connection: asyncpg.Connection, what: str) -> str:
    """The tables with which this user may do something of it, also with some columns only."""
    query = (
        "select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p') and (has_table_privilege(oid, $1) or has_any_column_privilege(oid, $2))"
    )
    of_columns = ", ".join({"insert", "update"} & set(what.split(", ")))
    return await connection.fetchval(query, what, of_columns) or ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start that must fail: of what, by whose settings; the exit code, and words of the one line."""

    command: str
    deployment: Deployment
    code: int
    words: str


def refusals(secured: Secured) -> list[Refusal]:
    """By Kafka, and by PostgreSQL."""
    wrong = secured.deployment("reader", STANDING_KAFKA_PASSWORD="wrong")  # noqa: S106
    in_the_clear = {"STANDING_KAFKA_BOOTSTRAP": secured.servers.kafka.bootstrap}
    no_certificate = secured.servers.by_certificate()
    for name in ("CERTIFICATE", "KEY"):
        del no_certificate[f"STANDING_KAFKA_{name}_FILE"]
    other = str(secured.servers.other_ca)

    def at(url: str) -> Deployment:
        return secured.deployment("worker", STANDING_DATABASE_URL=url)

    return [
        Refusal("status", wrong, 2, "Authentication failed"),
        Refusal("ingest", secured.deployment("worker", STANDING_KAFKA_CA_FILE=other), 2, "certificate verify failed"),
        Refusal("ingest", secured.deployment("worker", in_the_clear), 1, "STANDING_KAFKA_SECURITY_PROTOCOL fit"),
        Refusal("status", secured.deployment("reader", no_certificate), 2, "certificate required"),
        Refusal("timers", at(secured.url("worker").replace(PASSWORDS["worker"], "wrong")), 2, "password auth"),
        Refusal("relay", at(secured.url("relay", sslrootcert=other)), 1, "certificate verify failed"),
        Refusal("status", at(secured.url("reader", sslmode="disable")), 2, "no encryption"),
        Refusal("fanout", secured.deployment("reader"), 2, "user standing_reader may not write"),
    ]


async def test_a_worker_that_is_refused_ends_with_one_line_without_a_password(
    secured: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start(refusal: Refusal) -> None:
        waits = refusal.command not in {"status", "relay"}
        async with open_worker(refusal.deployment.settings, refusal.command, waits=waits):
            raise AssertionError(f"{refusal.command} was let in; it should say {refusal.words}")

    expected = refusals(secured)
    by_kafka = secured.deployment("worker", STANDING_KAFKA_PASSWORD="wrong")  # noqa: S106
    url = secured.url("worker").replace(PASSWORDS["worker"], "wrong")
    by_postgres = secured.deployment("worker", STANDING_DATABASE_URL=url)
    with ExitStack() as running:
        processes = [
            (running.enter_context(running_command(deployment, command)), words)
            for deployment, words in ((by_kafka, "Authentication failed"), (by_postgres, POSTGRES_REFUSES))
            for command in ("work", "relay")
        ]
        setup = running.enter_context(running_command(by_postgres, "setup"))
        failures = await asyncio.gather(*map(start, expected), return_exceptions=True)
        for process, words in [*processes, (setup, POSTGRES_REFUSES)]:
            check_line(process.communicate(timeout=60)[1], words)
            assert process.returncode == 2, "it would be started again and again"
    for refusal, failure in zip(expected, failures, strict=True):
        with pytest.raises(click.exceptions.Exit) as ended, one_clear_line(2 if refusal.command == "status" else 1):
            raise cast("Exception", failure)
        check_line(capsys.readouterr().err, refusal.words)
        assert ended.value.exit_code == refusal.code, refusal


@contextmanager
def running_command(deployment: Deployment, command: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, killed at the end if it has not ended."""
    with deployment.start(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def check_line(line: str, words: str) -> None:
    """It is one line, for an operator, with these words and no password."""
    assert line.startswith("standing: "), line
    assert line.count("\n") == 1, line
    assert words in without_secrets(line), line


async def test_a_read_only_user_can_neither_hold_nor_release(secured: Secured) -> None:
    async with open_database(secured.deployment("reader").settings, "hold") as database:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await hold(database, "because")
