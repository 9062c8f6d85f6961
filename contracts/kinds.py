"""The registry of published kinds: one row for each kind of message.

The models of decisions and withdrawals, the tables of topics in the documents, the `reason` of `account-standing`
and the deadline kinds follow from it. This module imports the standard library only, so that commands start fast.
"""

from dataclasses import dataclass

from contracts.topics import Topic

WITHDRAWN = "_withdrawn"
"""The suffix of the kind of a withdrawal: it follows the kind of the decision."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of published message. Decisions have clauses; signals, standings and dead letters have none."""

    name: str
    topic: Topic
    clauses: tuple[str, ...]
    """The ids of the rules that a decision of this kind can follow from; its `clause` is one of them."""
    description: str
    reason: str = ""
    """The `reason` of `account-standing` after a decision of this kind, if it changes the standing."""
    by_deadline: bool = False
    """Whether it follows from a deadline: the end of a period, or a notice before it."""
    of_company: bool = False
    """Whether it is about a company, not an account."""

    @property
    def withdrawal(self) -> str:
        """The kind of the message that withdraws such a decision."""
        return self.name + WITHDRAWN


DECISIONS: tuple[Kind, ...] = (
    Kind(
        "account_suspended",
        Topic.SUSPENSIONS,
        ("S1",),
        "S1: no effective order within the inactivity period.",
        reason="No effective order within the inactivity period (S1).",
        by_deadline=True,
    ),
    Kind(
        "reactivation_expired",
        Topic.REACTIVATION_EXPIRIES,
        ("S5",),
        "S5: no effective order within the temporary activation; suspended again and locked out.",
        reason="The temporary activation ended without an effective order (S5).",
        by_deadline=True,
    ),
    Kind(
        "company_terminated",
        Topic.COMPANY_TERMINATIONS,
        ("T2",),
        "T2: an upheld case terminates every account of the company.",
        of_company=True,
    ),
    Kind(
        "company_termination_reversed",
        Topic.COMPANY_TERMINATIONS,
        ("X3",),
        "X3: a case is no longer upheld against the seller; its termination is reversed.",
        of_company=True,
    ),
    Kind(
        "account_terminated",
        Topic.ACCOUNT_TERMINATIONS,
        ("T2", "T4"),
        "T2: terminated with the company. T4: enrolled under or moved to a terminated company.",
        reason="A case against an account of the company was upheld (T2, T4).",
    ),
    Kind(
        "account_reinstated",
        Topic.ACCOUNT_TERMINATIONS,
        ("X3",),
        "X3: the last termination in force for the account was reversed.",
        reason="The termination was reversed (X3).",
    ),
    Kind(
        "account_restored",
        Topic.RESTORATIONS,
        ("S2", "S4"),
        "S2, S4: an order became effective and restored the account.",
        reason="An order became effective and restored the account (S2, S4).",
    ),
    Kind(
        "account_enrolled",
        Topic.RESTORATIONS,
        ("E1", "E2"),
        "E1: the first enrolment. E2: a new one after a closing.",
        reason="The account was enrolled (E1, E2).",
    ),
    Kind(
        "account_closed",
        Topic.RESTORATIONS,
        ("E2",),
        "E2: the registry closed the account.",
        reason="The registry closed the account (E2).",
    ),
    Kind(
        "activation_granted",
        Topic.REQUEST_OUTCOMES,
        ("S3",),
        "S3: a temporary activation was granted.",
        reason="A temporary activation was granted (S3).",
    ),
    Kind("activation_refused", Topic.REQUEST_OUTCOMES, ("S3",), "S3: a temporary activation was refused."),
    Kind(
        "reapplication_accepted",
        Topic.REQUEST_OUTCOMES,
        ("T3",),
        "T3: a re-application was accepted.",
        reason="The re-application was accepted (T3).",
    ),
    Kind("reapplication_refused", Topic.REQUEST_OUTCOMES, ("T3",), "T3: a re-application was refused."),
    Kind(
        "suspension_notice",
        Topic.ACCOUNT_NOTICES,
        ("S6",),
        "S6: the inactivity period ends soon.",
        by_deadline=True,
    ),
    Kind(
        "expiry_notice", Topic.ACCOUNT_NOTICES, ("S6",), "S6: the temporary activation ends soon.", by_deadline=True
    ),
    Kind("violation_warned", Topic.ACCOUNT_NOTICES, ("T1",), "T1: an upheld case whose penalty is a warning."),
)
"""The kinds of decisions; each can be withdrawn."""

COMPLETED = Kind(
    "company_termination_completed",
    Topic.COMPANY_TERMINATIONS,
    (),
    "T2: every account of a terminated company was judged. A signal: it has no `decision_id` and is never withdrawn.",
    of_company=True,
)
STANDING = Kind("account_standing", Topic.ACCOUNT_STANDING, (), "The current standing of an account.")
DEAD_LETTER = Kind("dead_letter", Topic.DEAD_LETTERS, (), "An input record that is not a valid fact.")

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*DECISIONS, COMPLETED, STANDING, DEAD_LETTER)}
"""Every kind by its name, except withdrawals."""
DEADLINE_KINDS: frozenset[str] = frozenset(kind.name for kind in DECISIONS if kind.by_deadline)
"""The kinds of decisions that follow from a deadline."""


def kinds_of(topic: Topic) -> tuple[Kind, ...]:
    """The kinds of a topic, except withdrawals."""
    return tuple(kind for kind in KINDS.values() if kind.topic is topic)
