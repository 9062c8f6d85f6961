"""One row for each kind of message that is published: the registry from which the rest follows.

From here follow the models of decisions and withdrawals, the tables of topics in the documents, the reasons that
`account-standing` gives, and which kinds a deadline brings about. A new rule adds a row. Standard library only.
"""

from dataclasses import dataclass

from contracts.topics import Topic

WITHDRAWN = "_withdrawn"
"""What follows the kind of a decision in the kind of the message that takes it back."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of message: of a decision where it has clauses, else a signal or a statement of what is."""

    name: str
    topic: Topic
    clauses: tuple[str, ...]
    """The rules that it can follow from; a decision names the one in its `clause`."""
    says: str
    reason: str = ""
    """Why an account stands as it does, where a decision of this kind brought it there."""
    by_deadline: bool = False
    """Whether a deadline brings it about: an end of a period, or a notice before one."""
    of_company: bool = False
    """Whether it is about a company; else it is about an account."""

    @property
    def withdrawal(self) -> str:
        """The kind of the message that takes such a decision back."""
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
        "S5: no effective order within the temporary activation; suspended again, and locked out.",
        reason="The temporary activation ended without a paid order (S5).",
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
        "X3: a case no longer holds against the seller; its termination is taken back.",
        of_company=True,
    ),
    Kind(
        "account_terminated",
        Topic.ACCOUNT_TERMINATIONS,
        ("T2", "T4"),
        "T2: terminated with the company. T4: enrolled under, or moved to, a terminated company.",
        reason="A case against an account of the company was upheld (T2, T4).",
    ),
    Kind(
        "account_reinstated",
        Topic.ACCOUNT_TERMINATIONS,
        ("X3",),
        "X3: the termination that held the account was taken back.",
        reason="The termination was taken back (X3).",
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
        "T3: the account was admitted again.",
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
    Kind("violation_warned", Topic.ACCOUNT_NOTICES, ("T1",), "T1: an upheld case warns."),
)
"""The decisions; each can be withdrawn."""

COMPLETED = Kind(
    "company_termination_completed",
    Topic.COMPANY_TERMINATIONS,
    (),
    "Every account that a termination hit is decided: a signal, without `decision_id`, never withdrawn.",
    of_company=True,
)
STANDING = Kind("account_standing", Topic.ACCOUNT_STANDING, (), "What is to be said of an account now.")
DEAD_LETTER = Kind("dead_letter", Topic.DEAD_LETTERS, (), "A record that could not be taken in.")

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*DECISIONS, COMPLETED, STANDING, DEAD_LETTER)}
"""Every kind, by its name; withdrawals follow from the decisions."""
OF_DEADLINES: frozenset[str] = frozenset(kind.name for kind in DECISIONS if kind.by_deadline)
"""The decisions that a deadline brings about."""


def kinds_of(topic: Topic) -> tuple[Kind, ...]:
    """The kinds that an output topic carries, withdrawals aside."""
    return tuple(kind for kind in KINDS.values() if kind.topic is topic)
