"""The settings of Kafka's brokers without which the engine could not read or publish, compared by `standing setup`.

Owns what the engine asks of the brokers in time. Who may not read their settings is not refused for it.
"""

from workers import timeouts
from workers.kafka.admin import Admin, KafkaRefused
from workers.kafka.security import KafkaAccess
from workers.ops.refused import Refused

_INTERNAL = {
    "__transaction_state": (
        "transaction.state.log.replication.factor",
        "no transaction can begin",
    ),
    "__consumer_offsets": ("offsets.topic.replication.factor", "no consumer group can form"),
}
_MOST = {"group.min.session.timeout.ms": timeouts.SESSION_SECONDS * 1000}
_LEAST = {
    "group.max.session.timeout.ms": timeouts.SESSION_SECONDS * 1000,
    "transaction.max.timeout.ms": int(timeouts.TRANSACTION_SECONDS * 1000),
}


class BrokersUnfit(Refused):
    """The brokers are set so that the engine could not work; says what to do."""


async def check_brokers(kafka: KafkaAccess) -> None:
    """Raise BrokersUnfit where the brokers would let the engine neither read nor publish."""
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
        raise BrokersUnfit(f"Kafka has {name}={found[name]}: set it to {limit} {value}, which the engine asks for")
