"""Why a record becomes a dead letter. Apart from the messages, for the command line needs the names alone."""

from typing import Literal

Reason = Literal[
    "invalid_json",
    "invalid_message",
    "occurred_in_future",
    "unknown_category",
    "conflicting_duplicate",
    "too_many_requests",
    "too_large",
]
