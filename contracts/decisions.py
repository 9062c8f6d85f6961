"""One model for each kind of decision that is published, and the signal that a termination is complete.

Owns the named fields of each kind and the rules (`clause`) it can follow from. Withdrawals are in
`withdrawals`; which topic carries what is in `topics`.
"""

from typing import Annotated, Literal

from pydantic import Field

from contracts.decision_parts import (
    AccountDecision,
    Company,
    CompanyDecision,
    EnrolledAccountDecision,
    OfCase,
    Recorded,
)
from contracts.fields import Identifier, WrittenInstant


class AccountSuspended(EnrolledAccountDecision):
    """S1: no effective order within the inactivity period."""

    kind: Literal["account_suspended"]
    clause: Literal["S1"]


class ReactivationExpired(EnrolledAccountDecision):
    """S5: no effective order within the temporary activation; suspended again, and locked out."""

    kind: Literal["reactivation_expired"]
    clause: Literal["S5"]
    locked_out_until: WrittenInstant


class CompanyTerminated(CompanyDecision, OfCase):
    """T2: an upheld case terminates every account of the company."""

    kind: Literal["company_terminated"]
    clause: Literal["T2"]


class CompanyTerminationReversed(CompanyDecision, OfCase):
    """X3: a case no longer holds against the seller; its termination is taken back."""

    kind: Literal["company_termination_reversed"]
    clause: Literal["X3"]


class CompanyTerminationCompleted(Recorded, OfCase):
    """Every account that a termination hit is decided: a signal, without `decision_id`, never withdrawn."""

    kind: Literal["company_termination_completed"]
    company: Company
    accounts: Annotated[int, Field(ge=0)]
    """How many accounts were hit."""


class AccountTerminated(EnrolledAccountDecision, OfCase):
    """T2: terminated with the company. T4: enrolled under, or moved to, a terminated company."""

    kind: Literal["account_terminated"]
    clause: Literal["T2", "T4"]
    reapply_from: WrittenInstant
    """The earliest instant of a re-application as far as this termination goes."""


class AccountReinstated(EnrolledAccountDecision, OfCase):
    """X3: the termination that held the account was taken back."""

    kind: Literal["account_reinstated"]
    clause: Literal["X3"]


class AccountRestored(EnrolledAccountDecision):
    """S2, S4: an order became effective and restored the account."""

    kind: Literal["account_restored"]
    clause: Literal["S2", "S4"]
    order_id: Identifier


class AccountEnrolled(EnrolledAccountDecision):
    """E1: the first enrolment. E2: a new one after a closing."""

    kind: Literal["account_enrolled"]
    clause: Literal["E1", "E2"]


class AccountClosed(EnrolledAccountDecision):
    """E2: the registry closed the account."""

    kind: Literal["account_closed"]
    clause: Literal["E2"]


class ActivationGranted(EnrolledAccountDecision):
    """S3: a temporary activation was granted."""

    kind: Literal["activation_granted"]
    clause: Literal["S3"]
    request_id: Identifier
    expires_at: WrittenInstant


class ActivationRefused(AccountDecision):
    """S3: a temporary activation was refused."""

    kind: Literal["activation_refused"]
    clause: Literal["S3"]
    request_id: Identifier
    reason: Literal["locked_out", "not_suspended", "already_temporarily_active", "terminated", "not_enrolled"]
    not_before: WrittenInstant | None = None
    """Locked out: from when it would be granted. Terminated: from when the account can re-apply."""


class ReapplicationAccepted(EnrolledAccountDecision):
    """T3: the account was admitted again."""

    kind: Literal["reapplication_accepted"]
    clause: Literal["T3"]
    request_id: Identifier


class ReapplicationRefused(AccountDecision):
    """T3: a re-application was refused."""

    kind: Literal["reapplication_refused"]
    clause: Literal["T3"]
    request_id: Identifier
    reason: Literal["too_early", "not_terminated", "not_enrolled"]
    not_before: WrittenInstant | None = None
    """Too early: the earliest instant."""


class SuspensionNotice(EnrolledAccountDecision):
    """S6: the inactivity period ends soon."""

    kind: Literal["suspension_notice"]
    clause: Literal["S6"]
    days_left: Annotated[int, Field(ge=1)]
    deadline: WrittenInstant


class ExpiryNotice(EnrolledAccountDecision):
    """S6: the temporary activation ends soon."""

    kind: Literal["expiry_notice"]
    clause: Literal["S6"]
    days_left: Annotated[int, Field(ge=1)]
    deadline: WrittenInstant


class ViolationWarned(EnrolledAccountDecision, OfCase):
    """T1: an upheld case warns."""

    kind: Literal["violation_warned"]
    clause: Literal["T1"]


DECISIONS: tuple[type[AccountDecision | CompanyDecision], ...] = (
    AccountSuspended,
    ReactivationExpired,
    CompanyTerminated,
    CompanyTerminationReversed,
    AccountTerminated,
    AccountReinstated,
    AccountRestored,
    AccountEnrolled,
    AccountClosed,
    ActivationGranted,
    ActivationRefused,
    ReapplicationAccepted,
    ReapplicationRefused,
    SuspensionNotice,
    ExpiryNotice,
    ViolationWarned,
)
