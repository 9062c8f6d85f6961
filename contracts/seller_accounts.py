"""The topic `seller-accounts`: the registry enrols accounts under companies and closes them."""

from typing import Literal, Self

from pydantic import ConfigDict, model_validator

from contracts.fields import CompanyName, Identifier, Message, Timestamp


class SellerAccount(Message):
    """An account was enrolled under a company, or closed. `enrolled` requires `company_name`."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"status": {"const": "enrolled"}}, "required": ["status"]},
            "then": {"properties": {"company_name": {"type": "string"}}, "required": ["company_name"]},
        }
    )

    event_id: Identifier
    account_id: Identifier
    status: Literal["enrolled", "closed"]
    company_id: Identifier | None = None
    company_name: CompanyName | None = None
    region: Identifier | None = None
    occurred_at: Timestamp

    @model_validator(mode="after")
    def _enrolled_under_a_name(self) -> Self:
        if self.status == "enrolled" and self.company_name is None:
            raise ValueError("company_name is required for enrolled")
        return self
