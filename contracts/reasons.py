"""The reasons of dead letters, in a module of their own because the command line needs nothing else."""

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
