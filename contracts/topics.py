"""One row for each topic: its direction, key, cleanup and the kinds of message it carries (CONTRACTS).

Names are without the prefix `STANDING_TOPIC_PREFIX`. Of a kind that decides, the topic carries the
withdrawals too.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as other systems see it; an input topic carries one kind of message, named like the topic."""

    name: str
    direction: Literal["in", "out"]
    key: str
    cleanup: Literal["delete", "compact"]
    kinds: tuple[str, ...]
    says: str


TOPICS: tuple[Topic, ...] = (
    Topic("order-status", "in", "account_id", "delete", (), "An order moved to a status."),
    Topic("complaints", "in", "account_id", "delete", (), "An outcome of a complaint or of an inspection."),
    Topic("seller-accounts", "in", "account_id", "delete", (), "An account was enrolled or closed."),
    Topic("account-requests", "in", "account_id", "delete", (), "A seller asks for something."),
    Topic(
        "suspensions",
        "out",
        "account_id",
        "delete",
        ("account_suspended",),
        "An account was suspended for want of an effective order (S1).",
    ),
    Topic(
        "reactivation-expiries",
        "out",
        "account_id",
        "delete",
        ("reactivation_expired",),
        "A temporary activation ended without an effective order (S5).",
    ),
    Topic(
        "company-terminations",
        "out",
        "company key",
        "delete",
        ("company_terminated", "company_termination_reversed", "company_termination_completed"),
        "A company was terminated (T2), that was taken back (X3), or all its accounts are decided.",
    ),
    Topic(
        "account-terminations",
        "out",
        "account_id",
        "delete",
        ("account_terminated", "account_reinstated"),
        "An account was terminated with its company (T2, T4), or reinstated (X3).",
    ),
    Topic(
        "restorations",
        "out",
        "account_id",
        "delete",
        ("account_restored", "account_enrolled", "account_closed"),
        "An account was restored by an order (S2, S4), enrolled (E1, E2) or closed (E2).",
    ),
    Topic(
        "request-outcomes",
        "out",
        "account_id",
        "delete",
        ("activation_granted", "activation_refused", "reapplication_accepted", "reapplication_refused"),
        "A seller's request was answered (S3, T3).",
    ),
    Topic(
        "account-notices",
        "out",
        "account_id",
        "delete",
        ("suspension_notice", "expiry_notice", "violation_warned"),
        "A deadline draws near (S6), or an upheld case warns (T1).",
    ),
    Topic(
        "account-standing",
        "out",
        "account_id",
        "compact",
        ("account_standing",),
        "The account now: its standing, why, until when and what cures it.",
    ),
    Topic(
        "dead-letters",
        "out",
        "as the record",
        "delete",
        ("dead_letter",),
        "A record that could not be taken in, and why.",
    ),
)

INPUT_TOPICS: tuple[str, ...] = tuple(topic.name for topic in TOPICS if topic.direction == "in")
OUTPUT_TOPICS: tuple[str, ...] = tuple(topic.name for topic in TOPICS if topic.direction == "out")
TOPIC_OF_KIND: dict[str, str] = {kind: topic.name for topic in TOPICS for kind in topic.kinds}
