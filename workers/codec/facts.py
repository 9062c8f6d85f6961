"""Facts of the registry, of cases and of requests, and the text that the store keeps of each.

The text is canonical JSON of the contract's fields with the time as an instant. Two messages with one id are
conflicting duplicates if their texts differ.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from workers.rules.facts import CaseFact, Company, RegistryFact, Request, company_key

if TYPE_CHECKING:
    from pydantic import BaseModel

Fact = RegistryFact | CaseFact | Request


def fields_of(message: "BaseModel", at: int) -> dict[str, Any]:
    """What is kept of a message: its fields that are not None, `occurred_at` as an instant."""
    fields = message.model_dump(exclude_none=True)
    fields["occurred_at"] = at
    return fields


def content(fields: Mapping[str, Any]) -> str:
    """The text of a message's fields, which `read_fact` reads."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()


def read_fact(topic: str, text: str) -> Fact:
    """The fact of a stored text."""
    fields: dict[str, Any] = orjson.loads(text)
    return fact_of(topic, fields)


def fact_of(topic: str, fields: Mapping[str, Any]) -> Fact:
    """The fact of a message's fields, `occurred_at` as an instant."""
    match topic:
        case "seller-accounts":
            return RegistryFact(fields["occurred_at"], fields["event_id"], fields["status"], _company(fields))
        case "complaints":
            amount = fields.get("order_amount")
            return CaseFact(
                fields["occurred_at"],
                fields["event_id"],
                fields["case_id"],
                fields["source"],
                fields["category"],
                fields["outcome"],
                fields.get("cause"),
                None if amount is None else Decimal(amount["value"]),
                None if amount is None else amount["currency"],
            )
        case "account-requests":
            return Request(fields["occurred_at"], fields["request_id"], fields["kind"])
        case _:
            raise AssertionError(f"no facts are kept of {topic}")


def _company(fields: Mapping[str, Any]) -> Company | None:
    if fields["status"] != "enrolled":
        return None
    name = fields["company_name"]
    return Company(company_key(fields.get("company_id"), name), name)
