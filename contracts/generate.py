"""`python -m contracts.generate` writes the JSON Schemas in `schemas/messages` and `schemas/asyncapi.json`."""

import json
from pathlib import Path

from contracts.asyncapi import asyncapi
from contracts.catalogue import MESSAGES
from contracts.json_schema import JsonObject, message_schema

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def generated() -> dict[str, str]:
    """The text of every generated file by its path below `schemas`."""
    documents = {f"messages/{name}.json": message_schema(name, model) for name, model in MESSAGES.items()}
    documents["asyncapi.json"] = asyncapi()
    return {path: _text(document) for path, document in documents.items()}


def _text(document: JsonObject) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every generated file, and remove the schemas of messages that no longer exist."""
    files = generated()
    (SCHEMAS / "messages").mkdir(parents=True, exist_ok=True)
    for path in (SCHEMAS / "messages").glob("*.json"):
        if path.relative_to(SCHEMAS).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
