"""A model for each kind of decision and for its withdrawal, and the signal that a termination is complete.

Owns the named fields of each kind. Its name, rules (`clause`) and description come from its row in `kinds`, and
the model of its withdrawal follows.
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
    """The earliest instant of a re-application as far as this termination goes."""


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
    """Locked out: from when it would be granted. Terminated: from when the account can re-apply."""


class _ReapplicationRefused(AccountDecision):
    request_id: Identifier
    reason: Literal["too_early", "not_terminated", "not_enrolled"]
    not_before: WrittenInstant | None = None
    """Too early: the earliest instant."""


class _Notice(EnrolledAccountDecision):
    days_left: Annotated[int, Field(ge=1)]
    deadline: WrittenInstant


class _Completed(Recorded, OfCase):
    company: Company
    accounts: Annotated[int, Field(ge=0)]
    """How many accounts were hit."""


_FIELDS: dict[str, type[AccountDecision | CompanyDecision]] = {
    "account_suspended": EnrolledAccountDecision,
    "reactivation_expired": _Expired,
    "company_terminated": _OfCompany,
    "company_termination_reversed": _OfCompany,
    "account_terminated": _Terminated,
    "account_reinstated": _OfCase,
    "account_restored": _ByOrder,
    "account_enrolled": EnrolledAccountDecision,
    "account_closed": EnrolledAccountDecision,
    "activation_granted": _Granted,
    "activation_refused": _ActivationRefused,
    "reapplication_accepted": _Requested,
    "reapplication_refused": _ReapplicationRefused,
    "suspension_notice": _Notice,
    "expiry_notice": _Notice,
    "violation_warned": _OfCase,
}
"""The fields of each kind of decision."""


def _model(name: str, base: type[Published], says: str, **fields: Any) -> type[BaseModel]:
    """A message of this kind: the fields of `base`, and its own."""
    class_name = "".join(word.capitalize() for word in name.split("_"))
    kind: Any = Literal[name]
    undocumented = {"use_attribute_docstrings": False}  # it has no source text to look for them
    return create_model(class_name, __base__=base, __doc__=says, __cls_kwargs__=undocumented, kind=kind, **fields)


def _withdrawal(kind: Kind) -> type[BaseModel]:
    base = CompanyWithdrawal if kind.of_company else AccountWithdrawal
    article = "An" if kind.name[0] in "aeiou" else "A"
    return _model(kind.withdrawal, base, f"{article} `{kind.name}` is taken back.")


DECISION_MODELS: dict[str, type[BaseModel]] = {
    kind.name: _model(kind.name, _FIELDS[kind.name], kind.says, clause=Literal[kind.clauses]) for kind in DECISIONS
}
"""The model of each kind of decision."""
SIGNAL_MODELS: dict[str, type[BaseModel]] = {COMPLETED.name: _model(COMPLETED.name, _Completed, COMPLETED.says)}
WITHDRAWAL_MODELS: dict[str, type[BaseModel]] = {kind.withdrawal: _withdrawal(kind) for kind in DECISIONS}
"""The model of each kind of withdrawal: a decision that later turned out wrong is taken back (CONTRACTS). It goes to
the topic and key of that decision and has no `decision_id` of its own.
"""
