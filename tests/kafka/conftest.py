"""Topics for each test."""

import os

import pytest

from tests.support.broker import Servers, make_topic
from tests.support.streams import TOPICS, Stream


@pytest.fixture
async def stream(servers: Servers) -> Stream:
    prefix = f"p{os.urandom(4).hex()}-"
    for topic in TOPICS:
        await make_topic(servers.bootstrap, 3, prefix + topic, max_message_bytes="20000000")
    return Stream(servers.bootstrap, prefix)
