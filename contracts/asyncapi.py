"""The AsyncAPI 3.0 document, generated from the topics and the models: directions, keys, headers and values."""

from contracts.catalogue import MESSAGES, messages_of
from contracts.cloudevents import Headers
from contracts.json_schema import JsonObject, shared_schemas
from contracts.topics import Topic

_BINDING = "0.5.0"

_DESCRIPTION = (
    "Enforces the Trade Assurance rules on facts about sellers. Topic names are without the deployment's prefix "
    "(STANDING_TOPIC_PREFIX). Published messages are CloudEvents 1.0 in binary content mode, written in Kafka "
    "transactions: read them with isolation.level=read_committed. A decision that turns out wrong is withdrawn by "
    "a message with the same topic and key."
)


def asyncapi() -> JsonObject:
    """The document, from the point of view of the engine: it receives facts and sends decisions."""
    names = {name: topic for topic in Topic for name in messages_of(topic)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Standing", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {topic.value: _channel(topic) for topic in Topic},
        "operations": {_operation_name(topic): _operation(topic) for topic in Topic},
        "components": {
            "messages": {name: _message(name, topic) for name, topic in names.items()},
            "schemas": shared_schemas({**MESSAGES, "headers": Headers}),
        },
    }


def _server() -> JsonObject:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The cluster that STANDING_KAFKA_BOOTSTRAP names.",
        "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
    }


def _channel(topic: Topic) -> JsonObject:
    kept: JsonObject = {"cleanup.policy": [topic.cleanup]}
    if topic.cleanup == "delete":
        kept |= {"retention.ms": -1, "retention.bytes": -1}
    return {
        "address": topic.value,
        "description": topic.description,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages_of(topic)},
        "bindings": {
            "kafka": {"topic": topic.value, "topicConfiguration": kept, "bindingVersion": _BINDING},
        },
    }


def _operation_name(topic: Topic) -> str:
    return f"{_action(topic)}-{topic.value}"


def _action(topic: Topic) -> str:
    return "receive" if topic.direction == "in" else "send"


def _operation(topic: Topic) -> JsonObject:
    channel = f"#/channels/{topic.value}"
    return {
        "action": _action(topic),
        "channel": {"$ref": channel},
        "summary": topic.description,
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in messages_of(topic)],
    }


def _message(name: str, topic: Topic) -> JsonObject:
    model = MESSAGES[name]
    message: JsonObject = {
        "name": name,
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"kafka": {"key": _key(topic), "bindingVersion": _BINDING}},
    }
    if topic.direction == "out":
        message["headers"] = {"$ref": f"#/components/schemas/{Headers.__name__}"}
    return message


def _key(topic: Topic) -> JsonObject:
    description = topic.key
    if topic.direction == "in":
        description += "; recommended, because it keeps an account's facts in order, but not required"
    return {"type": "string", "description": description}
