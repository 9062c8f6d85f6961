"""A record that is refused within the transaction moves neither the clock nor the watermark."""

from typing import Any

import pytest

from tests.support.database_deployment import deployed, records
from tests.support.played_consumer import PLACES, SAMPLE, PlayedConsumer, fetch, ingest, process
from workers.rules.calendar import DAY, SECOND, Instant

BEGIN: Instant = 17_000 * DAY


REGISTRY = ("seller-accounts", 0)


def registry(first: int, *contents: dict[str, Any]) -> list[Any]:
    """Records of the registry; each content names what differs from an enrolment at the beginning."""
    common = {"event_id": "e", "account_id": "a", "status": "enrolled", "company_name": "A", "occurred_at": BEGIN}
    return records(*REGISTRY, first, [common | each for each in contents])


FIRST = {"event_id": "first"}
LATER = {"event_id": "later", "occurred_at": BEGIN + DAY}
CONFLICT = {"event_id": "first", "occurred_at": BEGIN + 900 * DAY}


@pytest.mark.parametrize("order", [(FIRST, LATER, CONFLICT), (FIRST, CONFLICT, LATER)], ids=["last", "in the middle"])
@pytest.mark.parametrize("together", [True, False])
async def test_a_conflicting_duplicate_moves_neither_the_clock_nor_the_watermark(
    database_url: str, order: tuple[dict[str, Any], ...], together: bool
) -> None:
    async with deployed(database_url, SAMPLE) as deployment:
        worker = ingest(deployment, PlayedConsumer())
        await worker.loop.assigned(PLACES)
        fetches = [registry(0, *order)] if together else [registry(index, each) for index, each in enumerate(order)]
        for each in fetches:
            await process(worker, fetch(worker, REGISTRY, each))
        [letter] = await deployment.values("dead_letter")
        assert letter["reason"] == "conflicting_duplicate"
        [position] = [each for each in await deployment.store.positions() if each[:2] == ("seller-accounts", 0)]
        assert position.next_offset == 3
        assert position.latest_occurred_at == BEGIN + DAY
        assert position.watermark == (BEGIN + DAY) // SECOND * SECOND
