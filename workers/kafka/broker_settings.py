"""The broker settings that the engine needs to read and publish, checked by `standing setup`.

A user without the permission to read them is not refused.
"""

from workers import timeouts
from workers.kafka.admin import Admin, KafkaRefused
from workers.kafka.security import KafkaAccess
from workers.ops.refused import Refused

_INTERNAL = {
    "__transaction_state": (
        "transaction.state.log.replication.factor",
        "no transaction can start",
    ),
    "__consumer_offsets": ("offsets.topic.replication.factor", "no consumer group can form"),
}
_MOST = {"group.min.session.timeout.ms": timeouts.SESSION_SECONDS * 1000}
_LEAST = {
    "group.max.session.timeout.ms": timeouts.SESSION_SECONDS * 1000,
    "transaction.max.timeout.ms": int(timeouts.TRANSACTION_SECONDS * 1000),
}


class BrokersUnfit(Refused):
    """With the brokers' settings the engine cannot work; the message says what to do."""


async def check_brokers(kafka: KafkaAccess) -> None:
    """Raise BrokersUnfit if a setting of the brokers prevents the engine from reading or publishing."""
    admin = Admin(kafka)
    brokers = len(await admin.brokers())
    try:
        found = await admin.broker_settings()
        made = await admin.describe(list(_INTERNAL))
    except KafkaRefused:
        return
    for topic, (setting, why) in _INTERNAL.items():
        if topic not in made and int(found[setting]) > brokers:
            raise BrokersUnfit(
                f"Kafka has {setting}={found[setting]}, but {brokers} broker{'' if brokers == 1 else 's'}: {why}; "
                f"set it to {brokers} and restart, or add brokers"
            )
    wrong = [(name, value, "at most") for name, value in _MOST.items() if int(found[name]) > value]
    wrong += [(name, value, "at least") for name, value in _LEAST.items() if int(found[name]) < value]
    for name, value, limit in wrong:
        raise BrokersUnfit(f"Kafka has {name}={found[name]}: set it to {limit} {value}, which the engine needs")
