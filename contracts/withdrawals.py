"""One model for each kind of withdrawal: a decision that later turned out wrong is taken back (CONTRACTS).

A withdrawal goes to the topic and key of the decision it takes back and has no `decision_id` of its own.
"""

from typing import Literal

from contracts.decision_parts import AccountWithdrawal, CompanyWithdrawal


class AccountSuspendedWithdrawn(AccountWithdrawal):
    """An `account_suspended` is taken back."""

    kind: Literal["account_suspended_withdrawn"]


class ReactivationExpiredWithdrawn(AccountWithdrawal):
    """A `reactivation_expired` is taken back."""

    kind: Literal["reactivation_expired_withdrawn"]


class CompanyTerminatedWithdrawn(CompanyWithdrawal):
    """A `company_terminated` is taken back."""

    kind: Literal["company_terminated_withdrawn"]


class CompanyTerminationReversedWithdrawn(CompanyWithdrawal):
    """A `company_termination_reversed` is taken back."""

    kind: Literal["company_termination_reversed_withdrawn"]


class AccountTerminatedWithdrawn(AccountWithdrawal):
    """An `account_terminated` is taken back."""

    kind: Literal["account_terminated_withdrawn"]


class AccountReinstatedWithdrawn(AccountWithdrawal):
    """An `account_reinstated` is taken back."""

    kind: Literal["account_reinstated_withdrawn"]


class AccountRestoredWithdrawn(AccountWithdrawal):
    """An `account_restored` is taken back."""

    kind: Literal["account_restored_withdrawn"]


class AccountEnrolledWithdrawn(AccountWithdrawal):
    """An `account_enrolled` is taken back."""

    kind: Literal["account_enrolled_withdrawn"]


class AccountClosedWithdrawn(AccountWithdrawal):
    """An `account_closed` is taken back."""

    kind: Literal["account_closed_withdrawn"]


class ActivationGrantedWithdrawn(AccountWithdrawal):
    """An `activation_granted` is taken back."""

    kind: Literal["activation_granted_withdrawn"]


class ActivationRefusedWithdrawn(AccountWithdrawal):
    """An `activation_refused` is taken back."""

    kind: Literal["activation_refused_withdrawn"]


class ReapplicationAcceptedWithdrawn(AccountWithdrawal):
    """A `reapplication_accepted` is taken back."""

    kind: Literal["reapplication_accepted_withdrawn"]


class ReapplicationRefusedWithdrawn(AccountWithdrawal):
    """A `reapplication_refused` is taken back."""

    kind: Literal["reapplication_refused_withdrawn"]


class SuspensionNoticeWithdrawn(AccountWithdrawal):
    """A `suspension_notice` is taken back."""

    kind: Literal["suspension_notice_withdrawn"]


class ExpiryNoticeWithdrawn(AccountWithdrawal):
    """An `expiry_notice` is taken back."""

    kind: Literal["expiry_notice_withdrawn"]


class ViolationWarnedWithdrawn(AccountWithdrawal):
    """A `violation_warned` is taken back."""

    kind: Literal["violation_warned_withdrawn"]


WITHDRAWALS: tuple[type[AccountWithdrawal | CompanyWithdrawal], ...] = (
    AccountSuspendedWithdrawn,
    ReactivationExpiredWithdrawn,
    CompanyTerminatedWithdrawn,
    CompanyTerminationReversedWithdrawn,
    AccountTerminatedWithdrawn,
    AccountReinstatedWithdrawn,
    AccountRestoredWithdrawn,
    AccountEnrolledWithdrawn,
    AccountClosedWithdrawn,
    ActivationGrantedWithdrawn,
    ActivationRefusedWithdrawn,
    ReapplicationAcceptedWithdrawn,
    ReapplicationRefusedWithdrawn,
    SuspensionNoticeWithdrawn,
    ExpiryNoticeWithdrawn,
    ViolationWarnedWithdrawn,
)
