"""What the settings of topics and brokers must be for the promises to hold: `setup` refuses, `status` notices."""

import json
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from tests.support.deployment import Deployment
from workers.devservers.guardian import Guardian
from workers.devservers.servers import SOON, LocalKafka
from workers.kafka.admin import Admin
from workers.kafka.broker_settings import BrokersUnfit, check_brokers
from workers.kafka.security import KafkaAccess
from workers.kafka.topic_settings import COMPACTED, KEPT, compare, of_inputs
from workers.topic_specs import topic_specs

WRONG = [
    ("suspensions", "retention.ms", "604800000", "-1"),
    ("order-status", "retention.bytes", "1000000", "-1"),
    ("order-status", "retention.ms", "604800000", "-1"),
    ("company-terminations", "cleanup.policy", "compact,delete", "delete"),
    ("account-standing", "cleanup.policy", "compact,delete", "compact"),
    ("standing-relay-checkpoints", "cleanup.policy", "delete", "compact"),
    ("dead-letters", "max.message.bytes", "500000", "1048588 or more"),
    ("complaints", "unclean.leader.election.enable", "true", "false"),
    ("restorations", "min.insync.replicas", "2", "1"),
]


def admin(deployment: Deployment) -> AdminClient:
    return AdminClient({"bootstrap.servers": deployment.environment["STANDING_KAFKA_BOOTSTRAP"]})


def alter(deployment: Deployment, topic: str, setting: str, value: str | None) -> None:
    """Change a setting of a topic; None takes it back."""
    kind = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(setting, value or "", incremental_operation=kind)
    resource = ConfigResource(ResourceType.TOPIC, deployment.prefix + topic, incremental_configs=[entry])
    client = admin(deployment)
    client.incremental_alter_configs([resource])[resource].result(10)


async def test_each_topic_is_made_as_it_is_needed(deployment: Deployment) -> None:
    specs = topic_specs(deployment.settings)
    found = await Admin(deployment.settings.kafka).settings([spec.name for spec in specs])
    for spec in specs:
        made = {each.setting: found[spec.name][each.setting] for each in spec.needed}
        assert made == {each.setting: each.value for each in spec.needed}


def test_settings_that_break_a_promise_are_refused_by_setup_and_shown_by_status(deployment: Deployment) -> None:
    assert json.loads(deployment.standing("status", "--json", check=False).stdout)["stuck"] == []
    for topic, setting, value, _ in WRONG:
        alter(deployment, topic, setting, value)
    refused = deployment.standing("setup", check=False)
    assert refused.returncode == 2, refused.stderr
    lines = refused.stderr.splitlines()
    status = deployment.standing("status", "--json", check=False)
    assert status.returncode == 1
    stuck: list[str] = json.loads(status.stdout)["stuck"]
    assert sorted(lines) == sorted(f"standing: {line}" for line in stuck if line.startswith("topic "))
    assert len(lines) == len(WRONG)
    for topic, setting, value, needed in WRONG:
        [line] = [
            line for line in lines if f" {deployment.prefix}{topic} has " in line and f"{setting}={value}" in line
        ]
        change = f"--alter --entity-type topics --entity-name {deployment.prefix}{topic} --add-config {setting}="
        assert f"{change}{needed.removesuffix(' or more')}" in line
        alter(deployment, topic, setting, None if topic == "restorations" else needed.removesuffix(" or more"))
    assert deployment.standing("setup").stdout == "nothing to do: everything is set up\n"


def test_a_topic_that_was_there_before_is_checked_by_what_the_broker_gives_it(deployment: Deployment) -> None:
    """It has no setting of its own; the broker keeps records for a week."""
    url, prefix = deployment.environment["STANDING_DATABASE_URL"], f"{deployment.prefix}other."
    other = Deployment(
        {**deployment.environment, "STANDING_TOPIC_PREFIX": prefix, "STANDING_DATABASE_URL": f"{url}_other"}
    )
    topic = f"{other.prefix}order-status"
    client = admin(deployment)
    client.create_topics([NewTopic(topic, 4)])[topic].result(10)
    refused = other.standing("setup", check=False)
    assert refused.returncode == 2
    assert (
        f"standing: topic {topic} has retention.ms=604800000, not -1: the database can be rebuilt only"
        in refused.stderr
    )


def settings(**changes: str) -> dict[str, str]:
    """What a broker gives a topic, with changes."""
    usual = {each.setting: each.value for each in (*COMPACTED, *KEPT)}
    return {**usual, "min.insync.replicas": "2"} | {name.replace("_", "."): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("replicas", "in_sync", "brokers", "refused"),
    [(1, "1", 1, []), (3, "2", 3, []), (3, "1", 3, [False]), (1, "1", 3, [False]), (2, "3", 3, [True])],
)
def test_copies_are_the_operators_right_unless_nothing_can_be_written(
    replicas: int, in_sync: str, brokers: int, refused: list[bool]
) -> None:
    found = list(compare("t", KEPT, settings(min_insync_replicas=in_sync), replicas, brokers))
    assert [each for each, _ in found] == refused


def test_an_input_topic_for_smaller_records_than_may_be_sent_is_a_warning() -> None:
    needed = of_inputs(max_record_bytes=4_000_000)
    found = list(compare("t", needed, settings(max_message_bytes="3999999"), 3, 3))
    assert [each for each, _ in found] == [False]
    assert list(compare("t", needed, settings(max_message_bytes="4000000"), 3, 3)) == []


@pytest.fixture
def guardian(own_servers: None) -> Any:
    watching = Guardian()
    yield watching
    watching.close()


@pytest.mark.parametrize(
    ("broker", "line"),
    [
        (
            {"transaction.state.log.replication.factor": "3"},
            "Kafka has transaction.state.log.replication.factor=3, but 1 broker: no transaction can start",
        ),
        (
            {"transaction.max.timeout.ms": "20000", "transaction.state.log.replication.factor": "1"},
            "Kafka has transaction.max.timeout.ms=20000: set it to at least 30000",
        ),
    ],
)
async def test_brokers_that_would_let_nothing_be_published_are_refused(
    guardian: Guardian, tmp_path_factory: pytest.TempPathFactory, broker: dict[str, str], line: str
) -> None:
    kafka = LocalKafka(tmp_path_factory.mktemp("kafka"), guardian)
    kafka.settings |= broker
    kafka.java = SOON
    kafka.start()
    try:
        with pytest.raises(BrokersUnfit, match=line):
            await check_brokers(KafkaAccess(kafka.bootstrap))
    finally:
        kafka.stop()
