"""The models of decisions, of their withdrawals, and of the signal that a termination is complete.

The name, the rules (`clause`) and the description of a kind come from its row in `kinds`; the model of its withdrawal
follows from the row too. Here are the fields that a kind has of its own.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from contracts.decision_parts import (
    AccountDecision,
    AccountWithdrawal,
    Company,
    CompanyDecision,
    CompanyWithdrawal,
    EnrolledAccountDecision,
    OfCase,
    Recorded,
)
from contracts.fields import Identifier, Published, WrittenInstant
from contracts.kinds import COMPLETED, DECISIONS, Kind


class _Expired(EnrolledAccountDecision):
    locked_out_until: WrittenInstant


class _OfCompany(CompanyDecision, OfCase):
    pass


class _Terminated(EnrolledAccountDecision, OfCase):
    reapply_from: WrittenInstant
    """The earliest instant of a re-application, unless another termination names a later one."""


class _OfCase(EnrolledAccountDecision, OfCase):
    pass


class _ByOrder(EnrolledAccountDecision):
    order_id: Identifier


class _Requested(EnrolledAccountDecision):
    request_id: Identifier


class _Granted(_Requested):
    expires_at: WrittenInstant


class _ActivationRefused(AccountDecision):
    request_id: Identifier
    reason: Literal["locked_out", "not_suspended", "already_temporarily_active", "terminated", "not_enrolled"]
    not_before: WrittenInstant | None = None
    """`locked_out`: the instant from which it would be granted. `terminated`: the earliest re-application."""


class _ReapplicationRefused(AccountDecision):
    request_id: Identifier
    reason: Literal["too_early", "not_terminated", "not_enrolled"]
    not_before: WrittenInstant | None = None
    """`too_early`: the earliest instant of a re-application."""


class _Notice(EnrolledAccountDecision):
    days_left: Annotated[int, Field(ge=1)]
    deadline: WrittenInstant


class _Completed(Recorded, OfCase):
    company: Company
    accounts: Annotated[int, Field(ge=0)]
    """The number of accounts that the termination terminated."""


_FIELDS: dict[str, type[AccountDecision | CompanyDecision]] = {
    "reactivation_expired": _Expired,
    "company_terminated": _OfCompany,
    "company_termination_reversed": _OfCompany,
    "account_terminated": _Terminated,
    "account_reinstated": _OfCase,
    "account_restored": _ByOrder,
    "activation_granted": _Granted,
    "activation_refused": _ActivationRefused,
    "reapplication_accepted": _Requested,
    "reapplication_refused": _ReapplicationRefused,
    "suspension_notice": _Notice,
    "expiry_notice": _Notice,
    "violation_warned": _OfCase,
}
"""The kinds that have fields of their own, or whose account may never have been enrolled."""


def _model(name: str, base: type[Published], description: str, **fields: Any) -> type[BaseModel]:
    """A message of the kind `name`: the fields of `base` and `fields`."""
    class_name = "".join(word.capitalize() for word in name.split("_"))
    kind: Any = Literal[name]
    undocumented = {"use_attribute_docstrings": False}  # a created model has no source text
    return create_model(
        class_name, __base__=base, __doc__=description, __cls_kwargs__=undocumented, kind=kind, **fields
    )


def _decision(kind: Kind) -> type[BaseModel]:
    base = _FIELDS.get(kind.name, EnrolledAccountDecision)
    return _model(kind.name, base, kind.description, clause=Literal[kind.clauses])


def _withdrawal(kind: Kind) -> type[BaseModel]:
    base = CompanyWithdrawal if kind.of_company else AccountWithdrawal
    return _model(kind.withdrawal, base, f"Withdraws a decision of the kind `{kind.name}`.")


DECISION_MODELS: dict[str, type[BaseModel]] = {kind.name: _decision(kind) for kind in DECISIONS}
"""The model of each kind of decision."""
SIGNAL_MODELS: dict[str, type[BaseModel]] = {
    COMPLETED.name: _model(COMPLETED.name, _Completed, COMPLETED.description)
}
WITHDRAWAL_MODELS: dict[str, type[BaseModel]] = {kind.withdrawal: _withdrawal(kind) for kind in DECISIONS}
"""The model of each kind of withdrawal. It has the topic and key of its decision, and no `decision_id`."""
