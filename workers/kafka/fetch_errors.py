"""Kafka's names of the errors that a fetch can fail with."""

from aiokafka.errors import for_code

OFFSET_OUT_OF_RANGE = "OFFSET_OUT_OF_RANGE"
CORRUPT_MESSAGE = "CORRUPT_MESSAGE"
LEADER_NOT_AVAILABLE = "LEADER_NOT_AVAILABLE"
UNKNOWN_TOPIC_ID = "UNKNOWN_TOPIC_ID"
_NAMES = {
    -1: "UNKNOWN_SERVER_ERROR",
    6: "NOT_LEADER_OR_FOLLOWER",
    70: "FETCH_SESSION_ID_NOT_FOUND",
    71: "INVALID_FETCH_SESSION_EPOCH",
    74: "FENCED_LEADER_EPOCH",
    75: "UNKNOWN_LEADER_EPOCH",
    76: "UNSUPPORTED_COMPRESSION_TYPE",
    78: "OFFSET_NOT_AVAILABLE",
    100: UNKNOWN_TOPIC_ID,
    103: "INCONSISTENT_TOPIC_ID",
    106: "FETCH_SESSION_TOPIC_ID_ERROR",
}
"""Kafka's names where aiokafka has none or an older one."""


def error_name(code: int) -> str:
    """Kafka's name of an error."""
    found = _NAMES.get(code)
    return found or (str(for_code(code).message) if for_code(code).errno == code else f"ERROR_{code}")
