"""The models as JSON Schema 2020-12: one document for each message, and shared definitions for AsyncAPI."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

JsonObject = dict[str, Any]


class _Schemas(GenerateJsonSchema):
    """JSON Schemas without titles of fields, which would only repeat their names."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schema_id(name: str) -> str:
    """The `$id` of a message's schema, and the `ce_dataschema` of the message."""
    return f"urn:standing:schema:{name}:v1"


def message_schema(name: str, model: type[BaseModel]) -> JsonObject:
    """The JSON Schema of one message."""
    schema = model.model_json_schema(schema_generator=_Schemas)
    return {"$schema": _Schemas.schema_dialect, "$id": schema_id(name), **schema}


def shared_schemas(models: Mapping[str, type[BaseModel]]) -> JsonObject:
    """The schemas of all models and of their parts by class name, for the AsyncAPI document."""
    _, document = models_json_schema(
        [(model, "validation") for model in models.values()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    shared: JsonObject = document["$defs"]
    return shared
