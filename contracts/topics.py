"""One row for each topic: its direction, key, cleanup and the kinds of message it carries (CONTRACTS).

Names are without the prefix `STANDING_TOPIC_PREFIX`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as other systems see it."""

    name: str
    direction: Literal["in", "out"]
    key: str
    cleanup: Literal["delete", "compact"]
    kinds: tuple[str, ...]
    says: str


TOPICS: tuple[Topic, ...] = (
    Topic("order-status", "in", "account_id", "delete", (), "An order moved to a status."),
    Topic("complaints", "in", "account_id", "delete", (), "An outcome of a complaint or inspection."),
    Topic("seller-accounts", "in", "account_id", "delete", (), "An account was enrolled or closed."),
    Topic("account-requests", "in", "account_id", "delete", (), "A seller asks for something."),
    Topic("suspensions", "out", "account_id", "delete", ("account_suspended",), "S1"),
    Topic("reactivation-expiries", "out", "account_id", "delete", ("reactivation_expired",), "S5"),
    Topic(
        "company-terminations",
        "out",
        "company key",
        "delete",
        ("company_terminated", "company_termination_reversed", "company_termination_completed"),
        "T2, X3",
    ),
    Topic(
        "account-terminations",
        "out",
        "account_id",
        "delete",
        ("account_terminated", "account_reinstated"),
        "T2, T4, X3",
    ),
    Topic(
        "restorations",
        "out",
        "account_id",
        "delete",
        ("account_restored", "account_enrolled", "account_closed"),
        "S2, S4, E1, E2",
    ),
    Topic(
        "request-outcomes",
        "out",
        "account_id",
        "delete",
        ("activation_granted", "activation_refused", "reapplication_accepted", "reapplication_refused"),
        "S3, T3",
    ),
    Topic(
        "account-notices",
        "out",
        "account_id",
        "delete",
        ("suspension_notice", "expiry_notice", "violation_warned"),
        "S6, T1",
    ),
    Topic("account-standing", "out", "account_id", "compact", ("account_standing",), "The account now."),
    Topic("dead-letters", "out", "as the record", "delete", ("dead_letter",), "Records that could not be read."),
)

INPUT_TOPICS: tuple[str, ...] = tuple(topic.name for topic in TOPICS if topic.direction == "in")
OUTPUT_TOPICS: tuple[str, ...] = tuple(topic.name for topic in TOPICS if topic.direction == "out")
TOPIC_OF_KIND: dict[str, str] = {kind: topic.name for topic in TOPICS for kind in topic.kinds}
