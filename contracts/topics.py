"""The topics with their direction, key and cleanup policy. Names are without `STANDING_TOPIC_PREFIX`.

`contracts.kinds` assigns the kinds of messages to the output topics. This module imports the standard library only,
so that commands start fast.
"""

from enum import StrEnum
from typing import Literal, Self

Direction = Literal["in", "out"]
Cleanup = Literal["delete", "compact"]
Partition = tuple[str, int]
"""A topic, without the prefix unless a function says otherwise, and the number of a partition."""


class Topic(StrEnum):
    """A topic, equal to its name. An input topic carries one kind of message."""

    direction: Direction
    key: str
    cleanup: Cleanup
    description: str

    def __new__(cls, name: str, direction: Direction, key: str, cleanup: Cleanup, description: str) -> Self:
        """A member is the name of the topic, with the rest as attributes."""
        topic = str.__new__(cls, name)
        topic._value_ = name
        topic.direction, topic.key, topic.cleanup, topic.description = direction, key, cleanup, description
        return topic

    ORDER_STATUS = "order-status", "in", "account_id", "delete", "An order moved to a status."
    COMPLAINTS = (
        "complaints",
        "in",
        "account_id",
        "delete",
        "A complaint or an inspection was opened, or has an outcome.",
    )
    SELLER_ACCOUNTS = "seller-accounts", "in", "account_id", "delete", "An account was enrolled or closed."
    ACCOUNT_REQUESTS = (
        "account-requests",
        "in",
        "account_id",
        "delete",
        "A seller asks for a temporary activation or re-applies.",
    )
    SUSPENSIONS = (
        "suspensions",
        "out",
        "account_id",
        "delete",
        "An account was suspended: no effective order within its inactivity period (S1).",
    )
    REACTIVATION_EXPIRIES = (
        "reactivation-expiries",
        "out",
        "account_id",
        "delete",
        "A temporary activation ended without an effective order (S5).",
    )
    COMPANY_TERMINATIONS = (
        "company-terminations",
        "out",
        "company key",
        "delete",
        "A company was terminated (T2), its termination was reversed (X3), or all of its accounts have been judged.",
    )
    ACCOUNT_TERMINATIONS = (
        "account-terminations",
        "out",
        "account_id",
        "delete",
        "An account was terminated with its company (T2, T4), or reinstated (X3).",
    )
    RESTORATIONS = (
        "restorations",
        "out",
        "account_id",
        "delete",
        "An account was restored by an order (S2, S4), enrolled (E1, E2) or closed (E2).",
    )
    REQUEST_OUTCOMES = "request-outcomes", "out", "account_id", "delete", "A seller's request was answered (S3, T3)."
    ACCOUNT_NOTICES = (
        "account-notices",
        "out",
        "account_id",
        "delete",
        "Notices before a deadline (S6), and warnings (T1).",
    )
    ACCOUNT_STANDING = (
        "account-standing",
        "out",
        "account_id",
        "compact",
        "The current standing of an account, its reason, its deadline and its cure.",
    )
    DEAD_LETTERS = (
        "dead-letters",
        "out",
        "as the record",
        "delete",
        "An input record that is not a valid fact, and why.",
    )


INPUT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in Topic if topic.direction == "in")
OUTPUT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in Topic if topic.direction == "out")
