"""`standing dead-letters list / show`: records that could not be taken in, from the decision log."""

import json
from typing import Any

from workers.commands.explain import NotFound
from workers.store.postgres import statement
from workers.wiring import Parts


async def newest(made: Parts, limit: int) -> list[dict[str, Any]]:
    """The newest dead letters, newest first."""
    return [json.loads(row[0]) for row in await made.pool.fetch(statement("dead_letters"), limit)]


async def one(made: Parts, place: str) -> str:
    """One dead letter as JSON; raises NotFound."""
    row = await made.pool.fetchrow(statement("dead_letter"), place)
    if row is None:
        raise NotFound(f"no dead letter at {place!r}: it takes the form TOPIC/PARTITION/OFFSET")
    return json.dumps(json.loads(row[0]), ensure_ascii=False, indent=2)


def as_json(found: list[dict[str, Any]]) -> str:
    """Dead letters as a JSON list."""
    return json.dumps(found, ensure_ascii=False, indent=2)
