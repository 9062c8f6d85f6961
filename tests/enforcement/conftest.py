"""A fresh deployment for a test, under the policy that ships or under those the test names."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.enforcement.deployment import Deployment, deployed, policies_of

SAMPLE = Path(__file__).parents[2] / "schemas" / "policies" / "2016-02.toml"


@pytest.fixture
async def deployment(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """Set up and claimed; parametrize it indirectly with the texts of policies for others than the sample."""
    texts = getattr(request, "param", (SAMPLE.read_text(),))
    async with deployed(database_url, policies_of(*texts)) as made:
        yield made
