"""The topics: each with its direction, key, cleanup and what it carries (CONTRACTS).

Names are without the prefix `STANDING_TOPIC_PREFIX`. Which kinds of message an output topic carries is said by
`contracts.kinds`. Standard library only, so that a command that needs no model starts without one.
"""

from enum import StrEnum
from typing import Literal, Self

Direction = Literal["in", "out"]
Cleanup = Literal["delete", "compact"]


class Topic(StrEnum):
    """A topic as other systems see it, equal to its name. An input topic carries one kind of message."""

    direction: Direction
    key: str
    cleanup: Cleanup
    says: str

    def __new__(cls, name: str, direction: Direction, key: str, cleanup: Cleanup, says: str) -> Self:
        """A member is its name, with what else is known of the topic beside it."""
        topic = str.__new__(cls, name)
        topic._value_ = name
        topic.direction, topic.key, topic.cleanup, topic.says = direction, key, cleanup, says
        return topic

    ORDER_STATUS = "order-status", "in", "account_id", "delete", "An order moved to a status."
    COMPLAINTS = "complaints", "in", "account_id", "delete", "An outcome of a complaint or of an inspection."
    SELLER_ACCOUNTS = "seller-accounts", "in", "account_id", "delete", "An account was enrolled or closed."
    ACCOUNT_REQUESTS = "account-requests", "in", "account_id", "delete", "A seller asks for something."
    SUSPENSIONS = (
        "suspensions",
        "out",
        "account_id",
        "delete",
        "An account was suspended for want of an effective order (S1).",
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
        "A company was terminated (T2), that was taken back (X3), or all its accounts are decided.",
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
        "A deadline draws near (S6), or an upheld case warns (T1).",
    )
    ACCOUNT_STANDING = (
        "account-standing",
        "out",
        "account_id",
        "compact",
        "The account now: its standing, why, until when and what cures it.",
    )
    DEAD_LETTERS = "dead-letters", "out", "as the record", "delete", "A record that could not be taken in, and why."


INPUT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in Topic if topic.direction == "in")
OUTPUT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in Topic if topic.direction == "out")
