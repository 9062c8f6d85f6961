"""A fresh deployment for a test, under the policy that ships or under those the test names."""

from collections.abc import AsyncIterator

import pytest

from tests.support.database_deployment import DatabaseDeployment, deployed, policies_of
from tests.support.policies import SAMPLE


@pytest.fixture
async def deployment(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[DatabaseDeployment]:
    """Set up and claimed; parametrize it indirectly with the texts of policies for others than the sample."""
    texts = getattr(request, "param", (SAMPLE.read_text(),))
    async with deployed(database_url, policies_of(*texts)) as made:
        yield made
