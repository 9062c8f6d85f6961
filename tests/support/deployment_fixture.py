"""A deployment for each test, set up by `standing setup` itself."""

import pytest

from tests.support.deployment import Deployment
from workers.devservers.stack import LocalServers


@pytest.fixture
def deployment(servers: LocalServers, topic_prefix: str) -> Deployment:
    """A deployment that was set up and does not run yet; histories are played."""
    made = Deployment(
        {
            **servers.environment,
            "STANDING_DATABASE_URL": servers.postgres.url(topic_prefix.rstrip(".")),
            "STANDING_TOPIC_PREFIX": topic_prefix,
            "STANDING_PARTITIONS": "4",
            "STANDING_CLOCK": "events",
            "STANDING_ALLOWED_LATENESS_SECONDS": "0",
            "STANDING_INGESTS": "1",
            "STANDING_SHARDS": "3",
        }
    )
    made.standing("setup")
    return made
