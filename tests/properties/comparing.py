"""How the decisions of the engine and of the model are laid side by side: field by field, in order of time.

Given in the order of their `sequence`, they come in the order in which a subscriber sorts them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from contracts.fields import TIMESTAMP, instant
from tests.model.decisions import Decision as ModelDecision
from workers.rules.decisions import Decision

_NOT_COMPARED = {"topic", "account_id", "company", "cause", "policy_digest"}
NAMES = ("decision_id", *(each.name for each in fields(ModelDecision) if each.name not in _NOT_COMPARED))
"""The fields in which a decision of the engine and one of the model must agree."""
_FIELDS = attrgetter(*NAMES)
_KIND, _SUBJECT, _AT = (NAMES.index(name) for name in ("kind", "subject", "effective_at"))


def of_model(decision: Any) -> tuple[object, ...]:
    """A model's decision, field by field; its companies have no standings, those are the engine's own addition."""
    return _FIELDS(decision)


def of_engine(decision: Decision) -> tuple[object, ...]:
    """An engine's decision, field by field."""
    known: dict[str, object] = {
        "kind": decision.kind,
        "clause": decision.clause,
        "subject": decision.subject,
        "effective_at": decision.effective_at,
        "decision_id": decision.id,
        "policy_id": decision.policy.id,
        **decision.details,
        **decision.instants,
    }
    if not decision.kind.startswith("company_"):
        known |= {"standing_before": decision.standing_before, "standing_after": decision.standing_after}
    return tuple(known.get(name) for name in NAMES)


def of_message(value: Mapping[str, Any]) -> tuple[object, ...]:
    """A published decision, field by field."""
    of_company = value["kind"].startswith("company_")
    known = {name: _read_instant(content) for name, content in value.items()}
    known |= {
        "subject": value["company"]["key"] if of_company else value["account_id"],
        "policy_id": value["policy"]["id"],
    }
    if of_company:
        known |= dict.fromkeys(("standing_before", "standing_after"))
    return tuple(known.get(name) for name in NAMES)


def _read_instant(content: object) -> object:
    """An instant where the text is one, else the content itself."""
    is_instant = isinstance(content, str) and re.search(TIMESTAMP, content) is not None
    return instant(str(content)) if is_instant else content


def in_order(rows: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The rows of each account and company by their instants; within an instant they stay in the order given."""
    return sorted(rows, key=lambda row: (str(row[_KIND]).startswith("company_"), row[_SUBJECT], row[_AT]))
