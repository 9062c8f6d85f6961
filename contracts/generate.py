"""`python -m contracts.generate` writes the JSON Schemas and the AsyncAPI document that the models stand for.

Owns every file of `schemas/messages` and `schemas/asyncapi.json`, and removes those that no model stands for.
"""

import json
from pathlib import Path

from contracts.asyncapi import asyncapi
from contracts.catalogue import MESSAGES
from contracts.json_schema import JsonObject, message_schema

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def generated() -> dict[str, str]:
    """Every generated file: its path below `schemas` and its text."""
    documents = {f"messages/{name}.json": message_schema(name, model) for name, model in MESSAGES.items()}
    documents["asyncapi.json"] = asyncapi()
    return {path: _text(document) for path, document in documents.items()}


def _text(document: JsonObject) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write what changed, and remove what no model stands for."""
    files = generated()
    (SCHEMAS / "messages").mkdir(parents=True, exist_ok=True)
    for path in (SCHEMAS / "messages").glob("*.json"):
        if path.relative_to(SCHEMAS).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
